//! The operator's usage: messages, money and sign-ins of the last 30 days, and the breaker.

use std::collections::BTreeMap;

use serde::Serialize;
use twostep_domain::spending::{Breaker, Counts, Level, Mode, Scope, Trip};
use twostep_domain::time::Timestamp;
use twostep_usecases::admin::Usage;

use super::settings::ModeBody;

#[derive(Serialize)]
pub struct UsageBody {
    /// What `spent` and `cost_per_sign_in` are millionths of.
    currency: String,
    total: Figures,
    /// What each sender did, while there was more than one.
    senders: BTreeMap<String, SenderFigures>,
    /// The newest day first.
    days: Vec<DayAndCountry>,
    breaker: BreakerBody,
}

#[derive(Default, Serialize)]
struct SenderFigures {
    sent: u64,
    /// The next sender was tried, or the message failed.
    refused: u64,
}

#[derive(Serialize)]
struct DayAndCountry {
    /// In UTC.
    day: String,
    country: String,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Serialize)]
struct Figures {
    sent: u64,
    delivered: u64,
    failed: BTreeMap<String, u64>,
    verified: u64,
    sign_ins: u64,
    spent: u64,
    /// Codes for test numbers. Nothing was sent.
    tests: u64,
    /// `None` before anyone signed in.
    cost_per_sign_in: Option<u64>,
}

impl From<&Counts> for Figures {
    fn from(counts: &Counts) -> Self {
        Self {
            sent: counts.messages,
            delivered: counts.delivered,
            failed: counts.failed.clone(),
            verified: counts.verified,
            sign_ins: counts.sign_ins,
            spent: counts.spent,
            tests: counts.tests,
            cost_per_sign_in: counts.spent.checked_div(counts.sign_ins),
        }
    }
}

#[derive(Serialize)]
struct BreakerBody {
    mode: ModeBody,
    /// The level of all messages: `closed` while the budget is spent.
    step: &'static str,
    #[serde(flatten)]
    why: Option<Why>,
    /// Countries and ranges that are not normal.
    countries: BTreeMap<String, TripBody>,
    prefixes: BTreeMap<String, TripBody>,
}

#[derive(Serialize)]
struct Why {
    cause: &'static str,
    since: String,
    until: String,
}

#[derive(Serialize)]
struct TripBody {
    step: &'static str,
    #[serde(flatten)]
    why: Why,
}

impl From<&Trip> for Why {
    fn from(trip: &Trip) -> Self {
        Self { cause: trip.cause.as_str(), since: trip.since.rfc3339(), until: trip.until.rfc3339() }
    }
}

impl From<&Trip> for TripBody {
    fn from(trip: &Trip) -> Self {
        Self { step: trip.level.as_str(), why: trip.into() }
    }
}

impl BreakerBody {
    fn new(mode: Mode, breaker: &Breaker, now: Timestamp) -> Self {
        let (mut countries, mut prefixes) = (BTreeMap::new(), BTreeMap::new());
        for (scope, trip) in breaker.trips(now).into_iter().filter(|(scope, _)| *scope != Scope::All.as_str()) {
            let is_prefix = scope.bytes().all(|byte| byte.is_ascii_digit());
            let trips = if is_prefix { &mut prefixes } else { &mut countries };
            trips.insert(scope.to_owned(), trip.into());
        }
        let all = breaker.trip(&Scope::All, now);
        Self {
            mode: mode.into(),
            step: all.map_or(Level::Normal, |trip| trip.level).as_str(),
            why: all.map(Why::from),
            countries,
            prefixes,
        }
    }
}

impl From<Usage> for UsageBody {
    fn from(usage: Usage) -> Self {
        let total = usage.total();
        let mut senders: BTreeMap<String, SenderFigures> = BTreeMap::new();
        for (sender, sent) in &total.sent_by {
            senders.entry(sender.clone()).or_default().sent = *sent;
        }
        for (sender, refused) in &total.refused_by {
            senders.entry(sender.clone()).or_default().refused = *refused;
        }
        let days = usage.days.iter().map(|(day, country, counts)| DayAndCountry {
            day: day.rfc3339().chars().take("2026-01-01".len()).collect(),
            country: country.as_str().to_owned(),
            figures: counts.into(),
        });
        Self {
            total: (&total).into(),
            senders,
            days: days.collect(),
            breaker: BreakerBody::new(usage.settings.breaker.mode, &usage.breaker, usage.now),
            currency: usage.settings.prices.currency,
        }
    }
}
