//! Wrong guesses at what a second step accepts besides its own code, counted where they come from.
//!
//! Each way is limited apart from the others, and first of all for the network that guesses: a stranger who knows the
//! password must not keep the owner from entering a recovery code or the code of an app.

use serde::{Deserialize, Serialize};

use crate::{
    rate_limit::{RateLimit, forget_older_than},
    time::{DAY, MINUTE, Timestamp},
};

/// What one network may guess, and all of them together.
#[derive(Clone, Debug)]
pub struct GuessLimits {
    pub of_network: [RateLimit; 2],
    pub of_all: Option<RateLimit>,
}

impl GuessLimits {
    const OF_NETWORK: [RateLimit; 2] = [
        RateLimit { most: 5, window: std::time::Duration::from_secs(5 * MINUTE.as_secs()) },
        RateLimit { most: 20, window: DAY },
    ];

    /// A code of an app has six digits, and three of them are right at any time, so all guesses together are limited too:
    /// half of what NIST SP 800-63B-4 §3.2.2 allows.
    #[must_use]
    pub fn of_totp() -> Self {
        Self { of_network: Self::OF_NETWORK, of_all: Some(RateLimit { most: 50, window: DAY }) }
    }

    /// A recovery code has 80 random bits: NIST SP 800-63B-4 §3.1.2 asks for no limit. One for all networks would only
    /// let a stranger lock the owner out.
    #[must_use]
    pub fn of_recovery_codes() -> Self {
        Self { of_network: Self::OF_NETWORK, of_all: None }
    }
}

/// The wrong guesses of the last 24 hours, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WrongGuesses(Vec<WrongGuess>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct WrongGuess {
    at: Timestamp,
    /// The network, hidden.
    from: String,
}

impl WrongGuesses {
    /// More than any limit looks at.
    const KEPT: usize = 100;

    /// The earliest moment at which `from` may guess again.
    #[must_use]
    pub fn free_at(&self, from: &str, limits: &GuessLimits) -> Timestamp {
        let own: Vec<Timestamp> = self.of(from).collect();
        let of_network = limits.of_network.iter().map(|limit| limit.free_at(own.iter().rev()));
        let of_all = limits.of_all.iter().map(|limit| limit.free_at(self.0.iter().rev().map(|guess| &guess.at)));
        of_network.chain(of_all).max().unwrap_or_default()
    }

    /// How many guesses `from` has left at `now`.
    #[must_use]
    pub fn left(&self, from: &str, limits: &GuessLimits, now: Timestamp) -> usize {
        let own: Vec<Timestamp> = self.of(from).collect();
        let all: Vec<Timestamp> = self.0.iter().map(|guess| guess.at).collect();
        let left = |limit: &RateLimit, times: &[Timestamp]| {
            let mut times = times.to_vec();
            forget_older_than(limit.window, &mut times, now);
            limit.most.saturating_sub(times.len())
        };
        let of_network = limits.of_network.iter().map(|limit| left(limit, &own));
        of_network.chain(limits.of_all.iter().map(|limit| left(limit, &all))).min().unwrap_or(usize::MAX)
    }

    /// With one more.
    #[must_use]
    pub fn and(&self, from: &str, now: Timestamp) -> Self {
        let mut guesses: Vec<WrongGuess> = self.0.iter().filter(|guess| guess.at.plus(DAY) > now).cloned().collect();
        guesses.push(WrongGuess { at: now, from: from.to_owned() });
        let beyond = guesses.len().saturating_sub(Self::KEPT);
        Self(guesses.split_off(beyond))
    }

    fn of(&self, from: &str) -> impl Iterator<Item = Timestamp> {
        self.0.iter().filter(move |guess| guess.from == from).map(|guess| guess.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guessed(times: impl IntoIterator<Item = (i64, String)>) -> WrongGuesses {
        times.into_iter().fold(WrongGuesses::default(), |guesses, (at, from)| guesses.and(&from, Timestamp(at)))
    }

    #[test]
    fn a_network_that_guesses_waits_and_another_does_not() {
        for limits in [GuessLimits::of_totp(), GuessLimits::of_recovery_codes()] {
            let four = guessed((0..4).map(|at| (at, "thief".to_owned())));
            assert_eq!((four.free_at("thief", &limits), four.left("thief", &limits, Timestamp(4))), (Timestamp(0), 1));
            let five = four.and("thief", Timestamp(4));
            assert_eq!(
                (five.free_at("thief", &limits), five.left("thief", &limits, Timestamp(4))),
                (Timestamp(300), 0)
            );
            assert_eq!((five.free_at("owner", &limits), five.left("owner", &limits, Timestamp(4))), (Timestamp(0), 5));
        }
    }

    #[test]
    fn twenty_wrong_guesses_of_a_network_end_its_day() {
        let limits = GuessLimits::of_recovery_codes();
        let day = guessed((0..20).map(|round| (round * 100, "thief".to_owned())));
        assert_eq!(day.free_at("thief", &limits), Timestamp(86_400));
        assert_eq!(day.free_at("owner", &limits), Timestamp(0));
    }

    #[test]
    fn a_hundred_networks_use_up_the_app_s_codes_but_never_the_recovery_codes() {
        let many = guessed((0..200).map(|at| (at, format!("bot{at}"))));
        assert!(many.free_at("owner", &GuessLimits::of_totp()) > Timestamp(200));
        assert_eq!(many.free_at("owner", &GuessLimits::of_recovery_codes()), Timestamp(0));
        assert_eq!(many.0.len(), WrongGuesses::KEPT, "the item stays small");
    }
}
