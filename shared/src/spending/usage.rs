//! What the operator looks at: messages, money and sign-ins of the last 30 days, and what the breaker does.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    breaker::{Breaker, Cause, Step, Tripped},
    policy::Mode,
    tally::{Scope, Tally},
};
use crate::{clock::Timestamp, phone::Country, settings::Settings};

#[derive(Serialize)]
pub struct Usage {
    /// What `spent` and `cost_per_sign_in` are millionths of.
    currency: String,
    total: Figures,
    /// The newest day first.
    days: Vec<DayAndCountry>,
    breaker: BreakerReport,
}

#[derive(Serialize)]
struct DayAndCountry {
    /// In UTC.
    day: String,
    country: Country,
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
    /// None before anybody signed in.
    cost_per_sign_in: Option<u64>,
}

impl From<&Tally> for Figures {
    fn from(tally: &Tally) -> Self {
        Self {
            sent: tally.messages,
            delivered: tally.delivered,
            failed: tally.failed.clone(),
            verified: tally.verified,
            sign_ins: tally.sign_ins,
            spent: tally.spent,
            cost_per_sign_in: tally.spent.checked_div(tally.sign_ins),
        }
    }
}

#[derive(Serialize)]
struct BreakerReport {
    mode: Mode,
    /// Of everything: closed while the budget is spent.
    step: Step,
    #[serde(flatten)]
    why: Option<Why>,
    /// What else is not normal.
    countries: BTreeMap<String, TrippedReport>,
    prefixes: BTreeMap<String, TrippedReport>,
}

#[derive(Serialize)]
struct Why {
    cause: Cause,
    since: String,
    until: String,
}

#[derive(Serialize)]
struct TrippedReport {
    step: Step,
    #[serde(flatten)]
    why: Why,
}

impl From<&Tripped> for Why {
    fn from(tripped: &Tripped) -> Self {
        Self { cause: tripped.cause, since: tripped.since.rfc3339(), until: tripped.until.rfc3339() }
    }
}

impl From<&Tripped> for TrippedReport {
    fn from(tripped: &Tripped) -> Self {
        Self { step: tripped.step, why: tripped.into() }
    }
}

impl Usage {
    #[must_use]
    pub fn new(settings: &Settings, days: &[(Timestamp, Country, Tally)], breaker: &Breaker, now: Timestamp) -> Self {
        let mut total = Tally::default();
        for (_, _, tally) in days {
            total.messages += tally.messages;
            total.spent += tally.spent;
            total.verified += tally.verified;
            total.sign_ins += tally.sign_ins;
            total.delivered += tally.delivered;
            for (reason, count) in &tally.failed {
                *total.failed.entry(reason.clone()).or_default() += count;
            }
        }
        let (mut countries, mut prefixes) = (BTreeMap::new(), BTreeMap::new());
        for (scope, tripped) in breaker.present(now).filter(|(scope, _)| *scope != Scope::All.as_str()) {
            let is_prefix = scope.bytes().all(|byte| byte.is_ascii_digit());
            let kind = if is_prefix { &mut prefixes } else { &mut countries };
            kind.insert(scope.to_owned(), tripped.into());
        }
        let all = breaker.tripped(&Scope::All, now);
        Self {
            currency: settings.prices.currency.clone(),
            total: (&total).into(),
            days: days
                .iter()
                .map(|(day, country, tally)| DayAndCountry {
                    day: day.rfc3339().chars().take("2026-01-01".len()).collect(),
                    country: *country,
                    figures: tally.into(),
                })
                .collect(),
            breaker: BreakerReport {
                mode: settings.breaker.mode,
                step: all.map_or(Step::Normal, |tripped| tripped.step),
                why: all.map(Why::from),
                countries,
                prefixes,
            },
        }
    }
}
