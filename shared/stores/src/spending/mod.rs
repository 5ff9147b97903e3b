//! What was reserved, what became of it, the breaker's evidence, and the breaker.

pub mod answers;
pub mod breaker;
pub mod counters;
pub mod ledger;
pub mod people;

pub use answers::AnswerStore;
pub use breaker::BreakerStore;
pub use counters::CounterStore;
pub use ledger::{Charge, LedgerStore};
pub use people::{PeopleStore, Place};
