//! The limits of one challenge, that is of one (purpose, subject, phone).

use std::time::Duration;

use super::GuessLimits;
use crate::{
    rate_limit::RateLimit,
    time::{DAY, HOUR, MINUTE, SECOND},
};

#[derive(Clone, Debug)]
pub struct Policy {
    /// How long a code is accepted. NIST SP 800-63B-4 §3.1.3.2 allows ten minutes.
    pub code_lifetime: Duration,
    /// A code with less than this left is not sent again: it would expire before it could be entered.
    pub least_lifetime: Duration,
    /// Stops guessing one code.
    pub guesses_per_code: usize,
    /// Stops guessing by asking for new codes (NIST SP 800-63B-4 §3.2.2).
    pub failures_per_day: usize,
    /// The resend cooldown: the wait after the first message. It doubles with each further message, which stops callers
    /// from using the service to annoy a number.
    pub first_cooldown: Duration,
    pub longest_cooldown: Duration,
    /// These two stop spending on one number.
    pub sends_per_hour: usize,
    pub sends_per_day: usize,
    /// Stop guessing what a second step accepts besides its own code.
    pub totp_guesses: GuessLimits,
    pub recovery_code_guesses: GuessLimits,
    /// How long a message that was handed over may stay without a result before its outcome counts as unknown.
    pub send_patience: Duration,
    /// How long a notice may wait to be sent: what it tells is still of use on the next day.
    pub notice_lifetime: Duration,
    /// The longest pauses before a message that waits is tried again.
    pub longest_code_pause: Duration,
    pub longest_notice_pause: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            code_lifetime: 5 * MINUTE,
            least_lifetime: MINUTE,
            guesses_per_code: 5,
            failures_per_day: 20,
            first_cooldown: MINUTE,
            longest_cooldown: 32 * MINUTE,
            sends_per_hour: 5,
            sends_per_day: 10,
            totp_guesses: GuessLimits::of_totp(),
            recovery_code_guesses: GuessLimits::of_recovery_codes(),
            send_patience: MINUTE,
            notice_lifetime: DAY,
            longest_code_pause: 30 * SECOND,
            longest_notice_pause: 15 * MINUTE,
        }
    }
}

impl Policy {
    pub(super) fn send_limits(&self) -> [RateLimit; 2] {
        [RateLimit { most: self.sends_per_hour, window: HOUR }, RateLimit { most: self.sends_per_day, window: DAY }]
    }

    pub(super) fn failure_limit(&self) -> RateLimit {
        RateLimit { most: self.failures_per_day, window: DAY }
    }

    /// The pause before a message that could not be sent is tried again: one second after the first try, then double.
    #[must_use]
    pub fn retry_pause(tries: u32, longest: Duration) -> Duration {
        (SECOND * 2_u32.pow(tries.saturating_sub(1).min(16))).min(longest)
    }

    /// The wait after the last of `streak` messages without a correct code in between.
    pub(super) fn cooldown(&self, streak: u32) -> Duration {
        let doublings = streak.saturating_sub(1).min(16);
        (self.first_cooldown * 2_u32.pow(doublings)).min(self.longest_cooldown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let pauses = |longest: u64| {
            [1, 2, 3, 5, 7, 40].map(|tries| Policy::retry_pause(tries, Duration::from_secs(longest)).as_secs())
        };
        assert_eq!(pauses(30), [1, 2, 4, 16, 30, 30]);
        assert_eq!(pauses(900), [1, 2, 4, 16, 64, 900]);
        assert_eq!(Policy::retry_pause(0, MINUTE), SECOND);
    }
}
