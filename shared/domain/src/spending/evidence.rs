//! What the breaker goes by: people who were asked for a code, and whether they entered it.
//!
//! A person is a number that was asked, however many messages it got. A code that is still valid says nothing yet: only
//! people whose code has had its whole life, or who entered it, are weighed. So growth closes nothing.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{BreakerPolicy, Cause, Level, Period, Trip};
use crate::{
    account::PhoneTrust,
    country::Country,
    time::{DAY, HOUR, MINUTE, Timestamp},
};

/// How the breaker and the usage counted a person, kept in the challenge until the person enters a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub at: Timestamp,
    pub country: Country,
    pub trust: PhoneTrust,
    /// Whether a correct code signs a user in or lets them register.
    pub signs_in: bool,
    /// Whether the country's evidence counted the person.
    #[serde(default)]
    pub in_country: bool,
    /// The hidden name of the number's range, if the range's evidence counted the person.
    #[serde(default)]
    pub range: Option<String>,
    /// How often the range counted the person: of established numbers it counts every message.
    #[serde(default)]
    pub in_range: u64,
}

impl Asked {
    /// Whether a person who was asked at `self.at` is the same one at `now`, or is counted anew.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.at.plus(DAY)
    }
}

/// People who were asked in one minute, and how many of them entered a code since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    pub asked: u64,
    pub answered: u64,
}

impl Answers {
    fn unanswered(self) -> u64 {
        self.asked.saturating_sub(self.answered)
    }
}

/// The people of the last day in one scope, by the minute (since the epoch) in which they were asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence(BTreeMap<i64, Answers>);

/// What is to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The level that the evidence leads to.
    pub level: Level,
    pub policy: &'a BreakerPolicy,
    /// The most correct codes of new numbers on one of the last 14 days.
    pub usual: u64,
    /// The latest trip of the same scope to the same level, over or not.
    pub last: Option<&'a Trip>,
    pub now: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Open,
    /// Send nothing until the trip ends.
    Close(Trip),
    /// Send this one message, to see whether its code comes back, and nothing else until the trip ends.
    Probe(Trip),
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    /// Whose code has had its whole life.
    unanswered: u64,
    /// Those of `unanswered` who were asked lately.
    lately: u64,
    /// Whose code is still valid.
    in_flight: u64,
    answered: u64,
}

impl Evidence {
    /// How long an attack may have been over, at most, for the breaker to trip on what it left behind.
    const LATELY: Duration = Duration::from_secs(9 * MINUTE.as_secs());
    /// How long a trip lasts. The cause renews it.
    const TRIP: Duration = Duration::from_secs(5 * MINUTE.as_secs());
    /// How long a trip lasts while as many codes are in flight as a scope may have that has tripped in the last hour.
    const LONG_TRIP: Duration = Duration::from_secs(10 * MINUTE.as_secs());
    /// How far back the evidence goes.
    const REACH: Duration = DAY;

    pub fn add(&mut self, minute: i64, answers: Answers) {
        let sum = self.0.entry(minute).or_default();
        *sum = Answers { asked: sum.asked + answers.asked, answered: sum.answered + answers.answered };
    }

    #[must_use]
    pub fn minute(at: Timestamp) -> i64 {
        at.0.div_euclid(60)
    }

    /// Whether one more person may be asked. A scope closes for minutes when people who were asked lately do not answer,
    /// and for longer, with single messages as probes, when that goes on for hours. It stays open while more than two of
    /// three people answer.
    #[must_use]
    pub fn judge(&self, case: &Case<'_>) -> Verdict {
        self.over_hours(case).or_else(|| self.within_an_hour(case).map(Verdict::Close)).unwrap_or(Verdict::Open)
    }

    /// Whether the codes that came back are enough to end `trip` before its time.
    #[must_use]
    pub fn lifts(&self, trip: &Trip, case: &Case<'_>) -> bool {
        match trip.cause {
            // The first probe that is answered ends it.
            Cause::UnansweredInADay => self.sum(trip.since, case.now).answered > 0,
            Cause::UnansweredInAnHour => {
                // Those whose codes were in flight when it tripped.
                let latest = self.sum(trip.since.minus(CODE_LIFETIME), case.now);
                let hour = self.sum(trip.since.minus(HOUR), case.now);
                let limit = case.policy.threshold(Period::Hour, case.usual).max(hour.answered / 2);
                hour.unanswered < limit && hour.answered > 0
                    || latest.answered >= case.policy.quarter()
                        && latest.answered > latest.unanswered + latest.in_flight
            }
            _ => false,
        }
    }

    /// Messages to established numbers in one range: whether so many of the last hour were not answered that no more go
    /// there for now. Here every message counts, also while its code is valid: few people of one range sign in at a time.
    /// The caller watches a range only beyond [`BreakerPolicy::floor`] messages an hour.
    #[must_use]
    pub fn is_too_much_for_established(&self, policy: &BreakerPolicy, now: Timestamp) -> bool {
        let sum =
            |count: fn(Answers) -> u64| self.between(now.minus(HOUR), now).map(|(_, hour)| count(hour)).sum::<u64>();
        let (asked, answered) = (sum(|hour| hour.asked), sum(|hour| hour.answered));
        asked.saturating_sub(answered) >= (policy.floor * 2).max(answered)
    }

    fn within_an_hour(&self, case: &Case<'_>) -> Option<Trip> {
        let hour_ago = case.now.minus(HOUR);
        let last = case.last.filter(|trip| trip.cause.is_unanswered() && trip.until > hour_ago);
        // What has tripped once does not trip again: after a trip, new evidence counts, but less of it is enough.
        let sum = self.sum(last.map_or(hour_ago, |trip| trip.until), case.now);
        let on_probation = last.is_some_and(|trip| !trip.lifted);
        let threshold =
            if on_probation { case.policy.quarter() } else { case.policy.threshold(Period::Hour, case.usual) };
        let limit = threshold.max(sum.answered / 2);
        let lasts = if sum.unanswered >= limit && sum.lately > 0 {
            Self::TRIP
        } else if on_probation && sum.in_flight > 0 && sum.unanswered + sum.in_flight >= limit {
            Self::LONG_TRIP
        } else {
            return None;
        };
        Some(Trip {
            level: case.level,
            cause: Cause::UnansweredInAnHour,
            since: case.now,
            until: case.now.plus(lasts),
            lifted: false,
        })
    }

    /// An attack that stays below the hour's threshold, or goes on through trip after trip. Each hour counts a quarter of
    /// the hour's threshold at most, so it takes hours to trip, and a burst does not.
    fn over_hours(&self, case: &Case<'_>) -> Option<Verdict> {
        let day_ago = case.now.minus(Self::REACH);
        let from = case.last.filter(|trip| trip.lifted).map_or(day_ago, |trip| trip.until.max(day_ago));
        let (mut by_hour, mut answered) = (BTreeMap::<i64, u64>::new(), 0);
        for (minute, answers) in self.between(from, case.now) {
            answered += answers.answered;
            if is_ripe(minute, case.now) {
                *by_hour.entry(minute.div_euclid(60)).or_default() += answers.unanswered();
            }
        }
        let quarter = case.policy.quarter();
        let unanswered: u64 = by_hour.values().map(|unanswered| *unanswered.min(&quarter)).sum();
        let limit = (quarter * 3).max(case.policy.share_of(case.usual)).max(answered);
        if unanswered < limit {
            return None;
        }
        let last =
            case.last.filter(|trip| trip.cause == Cause::UnansweredInADay && !trip.lifted && trip.until > day_ago);
        let since = last.map_or(case.now, |trip| trip.since);
        // The longer it goes on, the fewer probes.
        let lasts = since.until(case.now).clamp(HOUR, DAY);
        let until = case.now.plus(lasts);
        let trip = Trip { level: case.level, cause: Cause::UnansweredInADay, since, until, lifted: false };
        Some(if last.is_some() { Verdict::Probe(trip) } else { Verdict::Close(trip) })
    }

    fn sum(&self, from: Timestamp, now: Timestamp) -> Sum {
        let lately = Self::minute(now.minus(Self::LATELY));
        self.between(from, now).fold(Sum::default(), |mut sum, (minute, answers)| {
            sum.answered += answers.answered;
            match (is_ripe(minute, now), answers.unanswered()) {
                (false, unanswered) => sum.in_flight += unanswered,
                (true, unanswered) => {
                    sum.unanswered += unanswered;
                    sum.lately += if minute >= lately { unanswered } else { 0 };
                }
            }
            sum
        })
    }

    fn between(&self, from: Timestamp, now: Timestamp) -> impl Iterator<Item = (i64, Answers)> {
        let range = Self::minute(from)..=Self::minute(now).max(Self::minute(from));
        self.0.range(range).map(|(minute, answers)| (*minute, *answers))
    }
}

/// How long a code is valid (`challenge::Policy::code_lifetime`).
const CODE_LIFETIME: Duration = Duration::from_secs(5 * MINUTE.as_secs());

/// Whether every code of this minute has had its whole life.
fn is_ripe(minute: i64, now: Timestamp) -> bool {
    Timestamp((minute + 1) * 60).plus(CODE_LIFETIME) <= now
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
