//! Money: what a message may cost, which messages may be sent, and what became of them.
//!
//! [`budget`], [`prices`] and [`limits`] are what the operator allows, per [`period`] and [`scope`]; [`ledger`] is what
//! was reserved and [`counts`] what became of it; [`breaker`] stops traffic pumping, by the [`evidence`] of codes that
//! no user enters. Amounts of money are integers, in millionths of one currency.

pub mod breaker;
pub mod budget;
pub mod counts;
pub mod evidence;
pub mod ledger;
pub mod limits;
pub mod period;
pub mod prices;
pub mod scope;

pub use breaker::{Breaker, BreakerPolicy, Cause, HeldBack, Level, Mode, Trip};
pub use budget::{Allowance, Budget, Budgets};
pub use counts::{Counts, MessageEvent, Spent};
pub use evidence::{Asked, Evidence, Verdict};
pub use ledger::{Full, Ledger, Sums};
pub use limits::Limits;
pub use period::Period;
pub use prices::Prices;
pub use scope::Scope;

/// Far beyond any use, and far below what a table's numbers hold exactly.
const MOST_MESSAGES: u64 = 1_000_000_000;
