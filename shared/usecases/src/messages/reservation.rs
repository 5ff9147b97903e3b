//! Reservations: nothing is sent that limits and budgets have not counted first.

use std::sync::Arc;

use twostep_crypto::Pepper;
use twostep_domain::{
    account::PhoneTrust,
    challenge::{DeliveryFailure, PurposeName},
    country::Country,
    phone::PhoneNumber,
    rate_limit::RateLimit,
    settings::Settings,
    spending::{Allowance, Counts, HeldBack, Level, Mode, Period, Scope, Trip},
    time::{Clock, Timestamp},
};
use twostep_runtime::{
    config::{self, ConfigError},
    metrics::{Dimension, Metric, Name},
};
use twostep_stores::{
    SlidingWindowStore, TableError, Tables,
    sliding_window::LimitError,
    spending::{BreakerStore, Counter, CounterStore},
};

#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// Nothing was reserved.
    #[error("refused: {}", .0.as_str())]
    Refused(DeliveryFailure),
    /// The message could not be charged, so it must not be sent.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// A message that may be sent: every limit and budget has counted it.
#[derive(Debug)]
#[must_use]
pub struct Reservation {
    country: Country,
    trust: PhoneTrust,
    price: u64,
    at: Timestamp,
    counted: Vec<(Counter, Counts)>,
    windows: Vec<String>,
}

impl Reservation {
    fn begin(country: Country, intent: &MessageIntent<'_>, price: u64, at: Timestamp) -> Self {
        Self { country, trust: intent.trust, price, at, counted: Vec::new(), windows: Vec::new() }
    }

    #[must_use]
    pub fn country(&self) -> Country {
        self.country
    }

    /// The counts of all messages, this one included, by period.
    fn of_all(&self) -> impl Iterator<Item = (Period, &Counts)> {
        let of_all = self.counted.iter().filter(|(counter, _)| counter.scope == Scope::All);
        of_all.map(|(counter, counts)| (counter.period, counts))
    }
}

/// A message that is to be sent.
#[derive(Clone, Copy)]
pub struct MessageIntent<'a> {
    pub phone: &'a PhoneNumber,
    pub purpose: PurposeName,
    pub trust: PhoneTrust,
    pub settings: &'a Settings,
    pub pepper: &'a Pepper,
}

/// Everything that counts messages before they are sent.
pub struct Spending {
    clock: Arc<dyn Clock>,
    pub counters: CounterStore,
    pub breaker: Arc<BreakerStore>,
    windows: SlidingWindowStore,
    /// On a laptop only the limit of each number holds; the rest is counted and not enforced.
    lifted: bool,
}

impl Spending {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            counters: tables.counters()?,
            breaker: tables.breaker()?,
            windows: tables.sliding_windows()?,
            lifted: config::limits_are_lifted(tables.env())?,
        })
    }

    /// Counts a message before it is sent: at its number, its range, its country and all together. The budget of all
    /// messages comes last, so that a message which another limit refuses takes nothing from it. After a refusal nothing
    /// stays counted.
    ///
    /// A lost response of DynamoDB may leave a message counted twice: limits that protect money err on that side.
    ///
    /// # Errors
    /// [`ReserveError`]: the message must not be sent.
    pub async fn reserve(&self, intent: &MessageIntent<'_>) -> Result<Reservation, ReserveError> {
        let now = self.clock.now();
        let Ok(country) = intent.settings.allowed_countries.check(intent.phone) else {
            return Err(ReserveError::Refused(DeliveryFailure::NotAllowed));
        };
        let scopes = [Scope::Country(country), Scope::prefix_of(intent.phone)];
        self.counters.index(country, now).await?;
        let mut reservation = Reservation::begin(country, intent, intent.settings.prices.of(country), now);
        let counted = async {
            self.reserve_windows(intent, &mut reservation).await?;
            self.check_breaker(intent, &scopes, now).await?;
            self.count(intent, &scopes, &mut reservation).await
        };
        match counted.await {
            Ok(()) => Ok(reservation),
            Err(ReserveError::Refused(failure)) => {
                self.forfeit(reservation, intent.purpose).await;
                Err(ReserveError::Refused(failure))
            }
            Err(error) => {
                self.release(reservation).await;
                Err(error)
            }
        }
    }

    /// Counts a decoy at its number and range like a real message, so that the fate of another message does not tell the
    /// two apart. A decoy costs nothing, so budgets and the breaker do not count it.
    ///
    /// # Errors
    /// [`TableError`], as for a real message.
    pub async fn reserve_decoy(&self, intent: &MessageIntent<'_>) -> Result<(), TableError> {
        let now = self.clock.now();
        let Ok(country) = intent.settings.allowed_countries.check(intent.phone) else { return Ok(()) };
        match self.reserve_windows(intent, &mut Reservation::begin(country, intent, 0, now)).await {
            Ok(()) | Err(ReserveError::Refused(_)) => Ok(()),
            Err(ReserveError::Table(error)) => Err(error),
        }
    }

    async fn check_breaker(
        &self,
        intent: &MessageIntent<'_>,
        scopes: &[Scope],
        now: Timestamp,
    ) -> Result<(), ReserveError> {
        if self.lifted {
            return Ok(());
        }
        let Err(HeldBack { until }) = self.breaker.get().await?.allows(intent.trust, scopes, now) else {
            return Ok(());
        };
        let enforced = intent.settings.breaker.mode == Mode::Enforce;
        tracing::warn!(
            country = scopes[0].as_str(),
            until = until.rfc3339(),
            enforced,
            "the breaker holds a message back"
        );
        if enforced { Err(ReserveError::Refused(DeliveryFailure::HeldBack)) } else { Ok(()) }
    }

    async fn reserve_windows(&self, intent: &MessageIntent<'_>, into: &mut Reservation) -> Result<(), ReserveError> {
        let limits = &intent.settings.limits;
        let number = intent.pepper.hide("quota|number", intent.phone.e164());
        self.reserve_window(number, limits.of_number(intent.purpose), DeliveryFailure::NumberLimit, into).await?;
        // An attacker who owns a range must not keep its users from signing in. Sign-ins count all the same, with or without
        // an account: a registration in the same range must not tell.
        let is_exempt = intent.trust == PhoneTrust::Established;
        if self.lifted || (is_exempt && !intent.purpose.can_be_decoy()) {
            return Ok(());
        }
        let prefix = format!("quota#{}", intent.phone.prefix());
        match self.reserve_window(prefix, limits.of_prefix(), DeliveryFailure::PrefixLimit, into).await {
            Err(ReserveError::Refused(_)) if is_exempt => Ok(()),
            reserved => reserved,
        }
    }

    async fn count(
        &self,
        intent: &MessageIntent<'_>,
        scopes: &[Scope],
        into: &mut Reservation,
    ) -> Result<(), ReserveError> {
        let no_limit = Allowance::default();
        for scope in scopes.iter().rev().chain([&Scope::All]) {
            let budget = match scope {
                Scope::All => Some(intent.settings.budgets.all),
                Scope::Country(country) => Some(intent.settings.budgets.of(*country)),
                Scope::Prefix(_) => None,
            };
            for period in [Period::Month, Period::Day, Period::Hour] {
                let counter = Counter::at(scope, period, into.at);
                let allowance = match budget {
                    Some(budget) if !self.lifted => budget.of(period),
                    None if period == Period::Month => continue,
                    _ => no_limit,
                };
                match self.counters.reserve(&counter, into.trust, into.price, allowance).await? {
                    Ok(counts) => into.counted.push((counter, counts)),
                    Err(full) => {
                        self.budget_is_spent(&counter, &full, allowance, intent.settings).await;
                        return Err(ReserveError::Refused(DeliveryFailure::BudgetSpent));
                    }
                }
            }
        }
        Ok(())
    }

    async fn reserve_window(
        &self,
        id: String,
        limit: RateLimit,
        refused: DeliveryFailure,
        into: &mut Reservation,
    ) -> Result<(), ReserveError> {
        match self.windows.reserve(&id, &[limit], into.at).await {
            Ok(()) => {
                into.windows.push(id);
                Ok(())
            }
            Err(LimitError::Reached(_)) => Err(ReserveError::Refused(refused)),
            Err(LimitError::Table(error)) => Err(error.into()),
        }
    }

    /// Ends the reservation of a message that was refused for good. A sign-in or a reset stays counted at its number and
    /// range, as a decoy does.
    pub async fn forfeit(&self, mut reservation: Reservation, purpose: PurposeName) {
        if purpose.can_be_decoy() {
            reservation.windows.clear();
        }
        self.release(reservation).await;
    }

    /// Takes a reservation back altogether: the message was not sent.
    pub async fn release(&self, reservation: Reservation) {
        for (counter, _) in &reservation.counted {
            if let Err(error) = self.counters.release(counter, reservation.trust, reservation.price).await {
                tracing::warn!(%error, "a reservation stays counted");
            }
        }
        for id in &reservation.windows {
            if let Err(error) = self.windows.release(id, reservation.at).await {
                tracing::warn!(%error, "a reservation stays counted");
            }
        }
    }

    /// Looks at what a reservation has counted, and trips the breaker where too many messages stay unanswered.
    pub async fn watch(&self, reservation: &Reservation, settings: &Settings) {
        if self.lifted {
            return;
        }
        for (period, counts) in reservation.of_all() {
            if let Some(percent) = settings.budgets.all.of(period).used_percent(counts) {
                budget_used(period, percent, reservation.at);
            }
        }
        for (counter, counts) in &reservation.counted {
            let is_watched = counter.scope != Scope::All && counter.period != Period::Month;
            if !is_watched || counts.unanswered(reservation.trust) < settings.breaker.floor {
                continue;
            }
            if let Err(error) = self.judge(counter, counts, settings, reservation).await {
                tracing::error!(%error, "the breaker could not be updated");
            }
        }
    }

    async fn judge(
        &self,
        counter: &Counter,
        counts: &Counts,
        settings: &Settings,
        reservation: &Reservation,
    ) -> Result<(), TableError> {
        let Reservation { trust, at: now, .. } = *reservation;
        let best_day = self.counters.best_day(&counter.scope, now).await?;
        let trip = Trip::by_unanswered(counts, trust, best_day, &settings.breaker, counter.period, now);
        if let Some(trip) = trip
            && self.breaker.record(&counter.scope, &trip).await?
        {
            let (scope, mode) = (&counter.scope, settings.breaker.mode);
            tracing::warn!(
                ?scope,
                level = trip.level.as_str(),
                cause = trip.cause.as_str(),
                ?mode,
                "the breaker tripped"
            );
            breaker_level(trip.level, now);
        }
        Ok(())
    }

    /// Trips the breaker, so that the functions that take requests refuse before anything is written. A single message that
    /// was too expensive says nothing about the others.
    async fn budget_is_spent(&self, counter: &Counter, full: &Counts, allowance: Allowance, settings: &Settings) {
        let cheapest = match counter.scope {
            Scope::Country(country) => settings.prices.of(country),
            _ => settings.prices.cheapest(),
        };
        let (now, Counter { scope, period, start }) = (self.clock.now(), counter);
        if allowance.has_room(full, cheapest) {
            return;
        }
        let Some(closed) = Trip::by_budget(*period, *start, now) else { return };
        tracing::error!(?scope, period = period.as_str(), "a budget is spent");
        for level in [Level::VerifiedNumbersOnly, Level::Closed] {
            match self.breaker.record(scope, &Trip { level, ..closed }).await {
                Ok(true) if *scope == Scope::All && level == Level::Closed => {
                    budget_used(*period, 100.0, now);
                    breaker_level(level, now);
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "the breaker could not be updated"),
            }
        }
    }
}

fn budget_used(period: Period, percent: f64, now: Timestamp) {
    Metric::percent(Name::BudgetUsedPercent, percent).by(Dimension::Window, period.as_str()).emit(now);
}

fn breaker_level(level: Level, now: Timestamp) {
    Metric::number(Name::BreakerLevel, level.severity()).emit(now);
}
