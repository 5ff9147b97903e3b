//! The breaker at work: judges the evidence of a country and a range before a message goes there, and ends trips early.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use twostep_crypto::Pepper;
use twostep_domain::{
    account::PhoneTrust,
    country::Country,
    phone::PhoneNumber,
    settings::Settings,
    spending::{BreakerPolicy, Evidence, HeldBack, Level, Mode, Scope, Trip, Verdict, evidence::Case},
    time::{Clock, Timestamp},
};
use twostep_runtime::{
    config::ConfigError,
    metrics::{Metric, Name},
};
use twostep_stores::{
    TableError, Tables,
    spending::{BreakerStore, CounterStore, PeopleStore, Place},
};

/// A country or a range, and where its evidence is.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub scope: Scope,
    pub place: Place,
}

/// The name of a number's range in the evidence. It does not show the digits.
#[must_use]
pub(crate) fn hidden_range(pepper: &Pepper, phone: &PhoneNumber) -> String {
    pepper.hide("people|range", phone.prefix())
}

/// The scopes that watch over messages to `phone`.
pub(crate) fn watched(country: Country, phone: &PhoneNumber, pepper: &Pepper) -> [Watched; 2] {
    [
        Watched { scope: Scope::Country(country), place: country.into() },
        Watched { scope: Scope::prefix_of(phone), place: Place::range(&hidden_range(pepper, phone)) },
    ]
}

pub struct Watch {
    clock: Arc<dyn Clock>,
    breaker: Arc<BreakerStore>,
    people: PeopleStore,
    counters: CounterStore,
    /// When this process last looked whether a trip may end early, by entry.
    looked: Mutex<HashMap<String, Timestamp>>,
}

impl Watch {
    /// How often one process looks whether a trip may end early.
    const LOOK_AGAIN: Duration = Duration::from_secs(5);

    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            breaker: tables.breaker()?,
            people: tables.people()?,
            counters: tables.counters()?,
            looked: Mutex::default(),
        })
    }

    /// Whether a trip of one of `scopes` holds back numbers of this trust. A trip ends here if enough codes came back.
    ///
    /// # Errors
    /// [`TableError`]
    pub(crate) async fn held(
        &self,
        trust: PhoneTrust,
        watched: &[Watched],
        policy: &BreakerPolicy,
    ) -> Result<Result<(), HeldBack>, TableError> {
        let (level, now) = (Level::against(trust), self.clock.now());
        let mut held = Ok(());
        for Watched { scope, place } in watched {
            let breaker = self.breaker.get().await?;
            let Some(trip) = breaker.latest(scope, level).filter(|trip| now < trip.until) else { continue };
            if self.may_look(&format!("{}{}", scope.as_str(), level.as_str()), now)
                && self.is_over(scope, place, trust, trip, policy).await?
                && self.breaker.lift(scope, trip).await?
            {
                tracing::warn!(?scope, "codes came back, so the breaker ends a trip early");
                continue;
            }
            let until = held.err().map_or(trip.until, |HeldBack { until }| until.max(trip.until));
            held = Err(HeldBack { until });
        }
        Ok(held)
    }

    /// Judges the evidence of the last day on numbers of this trust, and trips the breaker where it says so.
    ///
    /// # Errors
    /// [`TableError`]
    pub(crate) async fn judge(
        &self,
        trust: PhoneTrust,
        watched: &[Watched],
        evidence: &[Evidence],
        settings: &Settings,
    ) -> Result<Result<(), HeldBack>, TableError> {
        for (watched, evidence) in watched.iter().zip(evidence) {
            if let Err(held) = self.judge_one(trust, watched, evidence, settings).await? {
                return Ok(Err(held));
            }
        }
        Ok(Ok(()))
    }

    async fn judge_one(
        &self,
        trust: PhoneTrust,
        Watched { scope, .. }: &Watched,
        evidence: &Evidence,
        settings: &Settings,
    ) -> Result<Result<(), HeldBack>, TableError> {
        let (level, now, policy) = (Level::against(trust), self.clock.now(), &settings.breaker);
        let (breaker, mut usual) = (self.breaker.get().await?, 0);
        let last = breaker.latest(scope, level);
        if evidence.judge(&Case { level, policy, usual, last, now }) == Verdict::Open {
            return Ok(Ok(()));
        }
        // Now it matters what is usual, and what other processes did.
        let breaker = self.breaker.fresh().await?;
        if let Scope::Country(_) = scope {
            usual = self.counters.best_day(scope, now).await?;
        }
        let last = breaker.latest(scope, level);
        if let Some(live) = last.filter(|trip| now < trip.until) {
            return Ok(Err(HeldBack { until: live.until }));
        }
        let (trip, is_probe) = match evidence.judge(&Case { level, policy, usual, last, now }) {
            Verdict::Open => return Ok(Ok(())),
            Verdict::Close(trip) => (trip, false),
            Verdict::Probe(trip) => (trip, true),
        };
        let recorded = self.breaker.record(scope, &trip).await?;
        if recorded {
            tripped(scope, &trip, policy.mode, now);
        }
        Ok(if recorded && is_probe { Ok(()) } else { Err(HeldBack { until: trip.until }) })
    }

    async fn is_over(
        &self,
        scope: &Scope,
        place: &Place,
        trust: PhoneTrust,
        trip: &Trip,
        policy: &BreakerPolicy,
    ) -> Result<bool, TableError> {
        if !trip.cause.is_unanswered() {
            return Ok(false);
        }
        let now = self.clock.now();
        let usual = async {
            match scope {
                Scope::Country(_) => self.counters.best_day(scope, now).await,
                _ => Ok(0),
            }
        };
        let evidence = self.people.evidence(std::slice::from_ref(place), trust, now);
        let (usual, evidence) = futures_util::future::try_join(usual, evidence).await?;
        let case = Case { level: trip.level, policy, usual, last: Some(trip), now };
        Ok(evidence.first().is_some_and(|evidence| evidence.lifts(trip, &case)))
    }

    fn may_look(&self, entry: &str, now: Timestamp) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.retain(|_, at| at.plus(Self::LOOK_AGAIN) > now);
        if looked.contains_key(entry) {
            return false;
        }
        looked.insert(entry.to_owned(), now);
        true
    }
}

fn tripped(scope: &Scope, trip: &Trip, mode: Mode, now: Timestamp) {
    let (level, cause, until) = (trip.level.as_str(), trip.cause.as_str(), trip.until.rfc3339());
    tracing::warn!(?scope, level, cause, until, ?mode, "the breaker tripped");
    breaker_level(trip.level, now);
}

pub(crate) fn breaker_level(level: Level, now: Timestamp) {
    Metric::number(Name::BreakerLevel, level.severity()).emit(now);
}
