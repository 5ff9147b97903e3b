//! The breaker: closes a country or a range of numbers when the people who are asked there do not answer, and everything
//! when the budget is spent. Each trip ends by the clock, and earlier when codes come back.
//!
//! Messages to new numbers close a scope to new numbers; messages to numbers that were verified lately close it to those.
//! A sign-in never affects a registration, or the response would tell whether a number has an account.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{MOST_MESSAGES, Period, Scope};
use crate::{
    account::PhoneTrust,
    time::{DAY, MINUTE, Timestamp},
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Enforce,
    /// Reports in the log and in the usage what it would have done.
    RecordOnly,
}

/// When a country or a range trips the breaker: at `floor` people of one hour who did not enter their code, or, where more
/// is usual, at `share_percent` of the codes entered on the best of the last 14 days (an hour may have a sixth of that).
/// Authgear's rule has the same two numbers. `evidence` says who counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BreakerPolicy {
    pub mode: Mode,
    pub floor: u64,
    pub share_percent: u64,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self { mode: Mode::Enforce, floor: 20, share_percent: 30 }
    }
}

impl BreakerPolicy {
    /// How many people who do not answer trip it. An hour may have a sixth of a day's.
    #[must_use]
    pub fn threshold(&self, period: Period, best_day: u64) -> u64 {
        let of_day = self.share_of(best_day);
        let usual = if period == Period::Hour { of_day / 6 } else { of_day };
        usual.max(self.floor)
    }

    /// [`Self::share_percent`] of the codes entered on the best day.
    pub(super) fn share_of(&self, best_day: u64) -> u64 {
        best_day.saturating_mul(self.share_percent) / 100
    }

    /// A quarter of the floor.
    pub(super) fn quarter(&self) -> u64 {
        (self.floor / 4).max(1)
    }

    /// How many people of one client IP or range count in an hour: a fifth of what trips the breaker, so that no single
    /// one can close a country.
    #[must_use]
    pub fn single_share(&self) -> usize {
        usize::try_from(self.floor / 5).unwrap_or(usize::MAX).max(1)
    }

    /// Whether every number is in its range.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        (1..=MOST_MESSAGES).contains(&self.floor) && self.share_percent <= 1_000
    }
}

/// How far a scope is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Level {
    #[default]
    Normal,
    /// Second steps and sign-ins go on; registrations and new numbers wait.
    #[serde(rename = "proven_numbers_only")]
    #[strum(serialize = "proven_numbers_only")]
    VerifiedNumbersOnly,
    /// Only established numbers are served.
    Closed,
}

impl Level {
    /// The level that holds back numbers of this trust; none holds back established numbers.
    #[must_use]
    pub fn against(trust: PhoneTrust) -> Self {
        match trust {
            PhoneTrust::New => Self::VerifiedNumbersOnly,
            PhoneTrust::Verified => Self::Closed,
            PhoneTrust::Established => Self::Normal,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// 0 for normal; the higher, the fewer numbers are served.
    #[must_use]
    pub fn severity(self) -> u8 {
        match self {
            Self::Normal => 0,
            Self::VerifiedNumbersOnly => 1,
            Self::Closed => 2,
        }
    }
}

/// Why a scope has tripped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Cause {
    UnansweredInAnHour,
    UnansweredInADay,
    BudgetOfTheHour,
    BudgetOfTheDay,
    BudgetOfTheMonth,
}

impl Cause {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    #[must_use]
    pub fn is_unanswered(self) -> bool {
        matches!(self, Self::UnansweredInAnHour | Self::UnansweredInADay)
    }

    fn budget(period: Period) -> Self {
        match period {
            Period::Hour => Self::BudgetOfTheHour,
            Period::Day => Self::BudgetOfTheDay,
            Period::Month => Self::BudgetOfTheMonth,
        }
    }
}

/// A scope that is not on the normal level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    #[serde(rename = "step")]
    pub level: Level,
    pub cause: Cause,
    pub since: Timestamp,
    /// When the scope returns to normal by itself.
    pub until: Timestamp,
    /// It ended before its time, because codes came back.
    #[serde(default)]
    pub lifted: bool,
}

impl Trip {
    /// How long a spent budget closes at a time. The budget itself is exact without this; a budget that is raised, or
    /// messages that are released, take effect after this time at the latest.
    const SPENT_FOR: Duration = Duration::from_secs(5 * MINUTE.as_secs());

    /// The trip for a budget that was spent in the `period` that began at `start`, unless that period is over.
    #[must_use]
    pub fn by_budget(period: Period, start: Timestamp, now: Timestamp) -> Option<Self> {
        let until = period.end(start).min(now.plus(Self::SPENT_FOR));
        (now < until).then(|| Self {
            level: Level::Closed,
            cause: Cause::budget(period),
            since: now,
            until,
            lifted: false,
        })
    }
}

/// Everything that is not on the normal level, by scope and level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaker(BTreeMap<String, Trip>);

/// No message before this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldBack {
    pub until: Timestamp,
}

impl FromIterator<(String, Trip)> for Breaker {
    /// The entries as a table stores them, see [`Breaker::entry_name`].
    fn from_iter<I: IntoIterator<Item = (String, Trip)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl Breaker {
    const SEPARATOR: char = '#';

    /// The name of the entry that says since when and until when `scope` is on `level`.
    #[must_use]
    pub fn entry_name(scope: &Scope, level: Level) -> String {
        format!("{}{}{}", scope.as_str(), Self::SEPARATOR, level.severity())
    }

    /// The most severe trip of `scope` at `now`, if there is one.
    #[must_use]
    pub fn trip(&self, scope: &Scope, now: Timestamp) -> Option<&Trip> {
        [Level::Closed, Level::VerifiedNumbersOnly].into_iter().find_map(|level| self.live(scope, level, now))
    }

    /// The most severe trip of every scope that is not normal at `now`, by the scope's name.
    #[must_use]
    pub fn trips(&self, now: Timestamp) -> BTreeMap<&str, &Trip> {
        let live = self.0.iter().filter(|(_, trip)| now < trip.until);
        let mut most_severe = BTreeMap::<&str, &Trip>::new();
        for (name, trip) in live {
            let scope = name.split(Self::SEPARATOR).next().unwrap_or_default();
            let entry = most_severe.entry(scope).or_insert(trip);
            if entry.level < trip.level {
                *entry = trip;
            }
        }
        most_severe
    }

    /// Whether the budget of all messages has room.
    ///
    /// # Errors
    /// [`HeldBack`] until it is worth another try.
    pub fn allows_all(&self, now: Timestamp) -> Result<(), HeldBack> {
        self.trip(&Scope::All, now).map_or(Ok(()), |trip| Err(HeldBack { until: trip.until }))
    }

    /// Whether no trip of `scopes` holds back numbers of this trust.
    ///
    /// # Errors
    /// [`HeldBack`] until the last trip that does ends.
    pub fn allows(&self, trust: PhoneTrust, scopes: &[Scope], now: Timestamp) -> Result<(), HeldBack> {
        let level = Level::against(trust);
        let until = scopes.iter().filter_map(|scope| self.live(scope, level, now)).map(|trip| trip.until).max();
        until.map_or(Ok(()), |until| Err(HeldBack { until }))
    }

    /// Whether the entry `name` lasts until `until` or longer.
    #[must_use]
    pub fn lasts(&self, name: &str, until: Timestamp) -> bool {
        self.0.get(name).is_some_and(|trip| trip.until >= until)
    }

    /// The latest trip of `scope` to `level`, over or not. Trips are remembered for a day.
    #[must_use]
    pub fn latest(&self, scope: &Scope, level: Level) -> Option<&Trip> {
        self.0.get(&Self::entry_name(scope, level))
    }

    /// Some of the entries that need not be remembered, but never `except`.
    #[must_use]
    pub fn over(&self, now: Timestamp, except: &str) -> Vec<String> {
        const AT_ONCE: usize = 50;
        let is_over = |trip: &Trip| {
            let remembered = if trip.cause.is_unanswered() { DAY } else { Duration::ZERO };
            trip.until.plus(remembered) <= now
        };
        let over = self.0.iter().filter(|(name, trip)| is_over(trip) && *name != except);
        over.map(|(name, _)| name.clone()).take(AT_ONCE).collect()
    }

    fn live(&self, scope: &Scope, level: Level, now: Timestamp) -> Option<&Trip> {
        self.0.get(&Self::entry_name(scope, level)).filter(|trip| now < trip.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::country::Country;

    const NOW: Timestamp = Timestamp(1_800_000_000);

    fn spain() -> Scope {
        Scope::Country(Country::parse("ES").unwrap())
    }

    fn on(level: Level, until: i64) -> Breaker {
        let trip = Trip { level, cause: Cause::UnansweredInADay, since: NOW, until: Timestamp(until), lifted: false };
        Breaker::from_iter([(Breaker::entry_name(&spain(), level), trip)])
    }

    #[test]
    fn a_trip_holds_back_the_numbers_whose_messages_caused_it_and_ends_by_the_clock() {
        let served = |breaker: &Breaker, at: i64| {
            [PhoneTrust::New, PhoneTrust::Verified, PhoneTrust::Established]
                .map(|trust| breaker.allows(trust, &[spain()], Timestamp(at)).is_ok())
        };
        let until = NOW.0 + 100;
        assert_eq!(served(&Breaker::default(), NOW.0), [true, true, true]);
        assert_eq!(served(&on(Level::VerifiedNumbersOnly, until), NOW.0), [false, true, true]);
        assert_eq!(
            served(&on(Level::Closed, until), until - 1),
            [true, false, true],
            "a sign-in does not affect a registration"
        );
        let mut both = on(Level::Closed, until);
        both.0.extend(on(Level::VerifiedNumbersOnly, until).0);
        assert_eq!(served(&both, NOW.0), [false, false, true]);
        assert_eq!(both.trip(&spain(), NOW).unwrap().level, Level::Closed);
        assert_eq!(both.trips(NOW).len(), 1, "one scope, with its most severe trip");
        assert_eq!(served(&both, until), [true, true, true]);
        let elsewhere = [Scope::Country(Country::parse("US").unwrap()), Scope::Prefix("3461234".into())];
        assert!(both.allows(PhoneTrust::New, &elsewhere, NOW).is_ok());
    }

    #[test]
    fn a_trip_by_unanswered_codes_is_remembered_for_a_day() {
        let breaker = on(Level::VerifiedNumbersOnly, NOW.0 + 100);
        let over = |seconds: i64| breaker.over(Timestamp(NOW.0 + seconds), "another").len();
        assert_eq!((over(101), over(100 + 86_399), over(100 + 86_400)), (0, 0, 1));
        assert!(breaker.latest(&spain(), Level::VerifiedNumbersOnly).is_some());
        assert!(breaker.latest(&spain(), Level::Closed).is_none());
    }

    #[test]
    fn a_spent_budget_closes_for_minutes_and_never_into_the_next_period() {
        let hour = Period::Hour.start(NOW);
        let closed = |after: i64| Trip::by_budget(Period::Hour, hour, Timestamp(hour.0 + after));
        assert_eq!(closed(0).unwrap().until, Timestamp(hour.0 + 300));
        assert_eq!(closed(3_590).unwrap().until, Timestamp(hour.0 + 3_600));
        assert_eq!(closed(3_600), None, "refused at the end of one hour, recorded in the next");
    }

    #[test]
    fn a_number_is_established_a_day_after_it_was_verified() {
        let verified = |ago: i64| PhoneTrust::verified_at(Some(Timestamp(NOW.0 - ago)), NOW);
        assert_eq!(verified(86_399), PhoneTrust::Verified);
        assert_eq!(verified(86_400), PhoneTrust::Established);
        assert_eq!(PhoneTrust::verified_at(None, NOW), PhoneTrust::Established);
    }

    #[test]
    fn the_threshold_grows_with_what_is_usual() {
        let policy = BreakerPolicy::default();
        assert_eq!((policy.threshold(Period::Day, 0), policy.threshold(Period::Hour, 0)), (20, 20));
        assert_eq!((policy.threshold(Period::Day, 1_000), policy.threshold(Period::Hour, 1_000)), (300, 50));
    }
}
