//! How far a phone number is trusted when the breaker decides which messages go on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::{DAY, Timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneTrust {
    /// Not verified, as far as the request knows.
    New,
    /// Verified by an account less than a day ago.
    Verified,
    /// Verified a day ago or earlier: an attacker cannot have made it for the attack that is under way.
    Established,
}

impl PhoneTrust {
    const PROBATION: Duration = DAY;

    /// The trust in an account's number that was verified at `verified_at`; accounts older than that record have none.
    #[must_use]
    pub fn verified_at(verified_at: Option<Timestamp>, now: Timestamp) -> Self {
        if verified_at.is_none_or(|at| at.plus(Self::PROBATION) <= now) { Self::Established } else { Self::Verified }
    }
}
