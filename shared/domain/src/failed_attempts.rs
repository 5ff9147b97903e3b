//! Exponential backoff for failed attempts: after a few that are free, each further one doubles the wait.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    rate_limit::{RateLimit, forget_older_than},
    time::{HOUR, MINUTE, Timestamp},
};

/// Attempts older than this are forgotten.
const WINDOW: Duration = HOUR;

/// How many attempts are free, and how the wait grows after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub free: usize,
    pub first_wait: Duration,
    pub longest_wait: Duration,
}

impl Backoff {
    const LONGEST_WAIT: Duration = Duration::from_secs(15 * MINUTE.as_secs());

    /// Stops guessing one account's password from one network or one remembered device.
    pub const BY_ACCOUNT: Self = Self { free: 5, first_wait: Duration::from_secs(1), longest_wait: Self::LONGEST_WAIT };

    /// The same while many networks guess at the account: each gets one attempt at once, and few later. A network that has
    /// not guessed still gets its attempt, so many networks slow their own guesses down and never lock the owner out.
    pub const UNDER_PRESSURE: Self = Self { free: 1, first_wait: MINUTE, longest_wait: HOUR };

    /// How many attempts in an hour, over all networks, are pressure. One network alone never gets that far.
    pub const PRESSURE: RateLimit = RateLimit { most: 50, window: HOUR };

    /// Stops one client IP from guessing many accounts' passwords or the admin key, and from creating accounts without end.
    pub const BY_CLIENT_IP: Self =
        Self { free: 30, first_wait: Duration::from_secs(1), longest_wait: Self::LONGEST_WAIT };
}

/// The attempts of the last hour that failed or have not been judged yet; one item of the `counters` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempts {
    pub id: String,
    /// The version that was read; 0 for an item that is not in the table yet.
    pub version: u64,
    times: Vec<Timestamp>,
    ttl: Timestamp,
}

impl FailedAttempts {
    #[must_use]
    pub fn none(id: &str) -> Self {
        Self { id: id.to_owned(), version: 0, times: Vec::new(), ttl: Timestamp::default() }
    }

    /// Counts one more attempt before it is judged, so that parallel attempts are counted too.
    ///
    /// # Errors
    /// The moment from which the next attempt is allowed.
    pub fn reserve(&self, backoff: Backoff, now: Timestamp) -> Result<Self, Timestamp> {
        let mut next = self.clone();
        forget_older_than(WINDOW, &mut next.times, now);
        let beyond = next.times.len().saturating_sub(backoff.free);
        if let Some(last) = next.times.last().filter(|_| next.times.len() >= backoff.free) {
            let doublings = u32::try_from(beyond).unwrap_or(u32::MAX).min(16);
            let wait = (backoff.first_wait * 2_u32.pow(doublings)).min(backoff.longest_wait);
            if now < last.plus(wait) {
                return Err(last.plus(wait));
            }
        }
        next.times.push(now);
        next.ttl = now.plus(WINDOW * 2);
        Ok(next)
    }

    /// Without the attempts up to `unlocked_at`.
    #[must_use]
    pub fn forgiven(mut self, unlocked_at: Option<Timestamp>) -> Self {
        self.times.retain(|at| unlocked_at.is_none_or(|unlocked_at| *at > unlocked_at));
        self
    }

    /// Takes the latest attempt out again: it succeeded. `None` if there is none.
    #[must_use]
    pub fn release(&self) -> Option<Self> {
        let mut next = self.clone();
        next.times.pop().map(|_| next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempts_are_free_and_then_the_wait_doubles() {
        let mut attempts = FailedAttempts::none("x");
        let mut now = Timestamp(1_000);
        for _ in 0..5 {
            attempts = attempts.reserve(Backoff::BY_ACCOUNT, now).unwrap();
        }
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            let next = Timestamp(now.0 + wait);
            assert_eq!(attempts.reserve(Backoff::BY_ACCOUNT, now), Err(next));
            attempts = attempts.reserve(Backoff::BY_ACCOUNT, next).unwrap();
            now = next;
        }
        assert!(attempts.reserve(Backoff::BY_ACCOUNT, Timestamp(now.0 + 3_600)).is_ok(), "forgotten after an hour");
    }

    #[test]
    fn one_network_never_puts_an_account_under_pressure() {
        let (mut attempts, mut now, mut judged) = (FailedAttempts::none("x"), Timestamp(0), 0);
        while now < Timestamp(3_600) {
            match attempts.reserve(Backoff::BY_ACCOUNT, now) {
                Ok(next) => (attempts, judged) = (next, judged + 1),
                Err(until) => now = until,
            }
        }
        assert!(judged * 2 < Backoff::PRESSURE.most, "{judged} attempts in an hour");
    }

    #[test]
    fn under_pressure_a_network_has_one_attempt_and_then_waits_longer_and_longer() {
        let mut attempts = FailedAttempts::none("x").reserve(Backoff::UNDER_PRESSURE, Timestamp(0)).unwrap();
        let mut now = 0;
        for wait in [60, 120, 240, 480, 960] {
            now += wait;
            assert_eq!(attempts.reserve(Backoff::UNDER_PRESSURE, Timestamp(now - 1)), Err(Timestamp(now)));
            attempts = attempts.reserve(Backoff::UNDER_PRESSURE, Timestamp(now)).unwrap();
        }
    }

    #[test]
    fn a_released_attempt_no_longer_counts() {
        let none = FailedAttempts::none("x");
        assert_eq!(none.release(), None);
        let one = none.reserve(Backoff::BY_ACCOUNT, Timestamp(5)).unwrap();
        assert!(one.release().unwrap().times.is_empty());
    }
}
