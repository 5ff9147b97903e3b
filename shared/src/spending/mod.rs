//! Money: what a message may cost, who may be sent one, and what became of them.
//!
//! [`policy`] is what the operator allows, [`tally`] counts by scope and period, [`breaker`] is the ladder that stops
//! pumping, [`usage`] what the operator looks at. [`Spending`] puts them in front of the provider: nothing is sent that
//! was not reserved first.

pub mod breaker;
pub mod policy;
pub mod tally;
pub mod usage;

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use serde::{Deserialize, Serialize};

use crate::{
    challenge::Purpose,
    clock::{Clock, Timestamp},
    keys::Pepper,
    metrics::{self, Metric},
    phone::{Country, PhoneNumber},
    quota::{self, Quota, QuotaError, QuotaStore},
    settings::Settings,
    table::TableError,
};
use breaker::{BreakerStore, HeldBack, Recipient, Step, Tripped};
use policy::{Allowance, Limits, Mode};
use tally::{Counter, Period, Scope, Tallies, Tally};

/// Why a message was not sent, or did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The provider does not send to this number.
    NumberRefused,
    /// The provider does not serve this account: key, balance, sender.
    AccountRefused,
    /// The provider took it and could not deliver it.
    NotDelivered,
    /// The number has had its messages of the day.
    NumberLimit,
    /// The number's range has had its messages of the hour.
    PrefixLimit,
    /// The breaker holds messages of this kind back for now.
    HeldBack,
    /// The operator's budget is spent.
    BudgetSpent,
    /// The operator does not serve this country or kind of number any more, or sends no codes at present.
    NotAllowed,
}

impl Failure {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NumberRefused => "number_refused",
            Self::AccountRefused => "account_refused",
            Self::NotDelivered => "not_delivered",
            Self::NumberLimit => "number_limit",
            Self::PrefixLimit => "prefix_limit",
            Self::HeldBack => "held_back",
            Self::BudgetSpent => "budget_spent",
            Self::NotAllowed => "not_allowed",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// Not now; nothing was reserved.
    #[error("refused: {}", .0.as_str())]
    Refused(Failure),
    /// What cannot be counted is not sent.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// A message that may be sent: everything that counts it has done so.
#[derive(Debug)]
#[must_use]
pub struct Reservation {
    country: Country,
    recipient: Recipient,
    price: u64,
    at: Timestamp,
    counted: Vec<(Counter, Tally)>,
    quotas: Vec<String>,
}

impl Reservation {
    #[must_use]
    pub fn country(&self) -> Country {
        self.country
    }

    /// The counts of all messages with this one among them, by period.
    fn of_all(&self) -> impl Iterator<Item = (Period, &Tally)> {
        let of_all = self.counted.iter().filter(|(counter, _)| counter.scope == Scope::All);
        of_all.map(|(counter, tally)| (counter.period, tally))
    }
}

/// What is to be sent, and by whose rules.
#[derive(Clone, Copy)]
pub struct Intent<'a> {
    pub phone: &'a PhoneNumber,
    pub purpose: Purpose,
    pub recipient: Recipient,
    pub settings: &'a Settings,
    pub pepper: &'a Pepper,
}

/// Everything that counts messages.
pub struct Spending {
    clock: Arc<dyn Clock>,
    pub tallies: Tallies,
    pub breaker: BreakerStore,
    quotas: QuotaStore,
    /// Lifted on a laptop: only the limit of each number holds, and the rest is counted.
    lifted: bool,
}

impl Spending {
    #[must_use]
    pub fn new(client: &Client, table: &str, clock: &Arc<dyn Clock>, lifted: bool) -> Self {
        Self {
            clock: Arc::clone(clock),
            tallies: Tallies::new(client.clone(), table.to_owned()),
            breaker: BreakerStore::new(client.clone(), table.to_owned(), Arc::clone(clock)),
            quotas: QuotaStore::new(client.clone(), table.to_owned()),
            lifted,
        }
    }

    /// Counts a message before it is sent: at its number, its range, its country and all together. The budget of all
    /// comes last, so that what another limit refuses takes nothing from it. On a refusal nothing stays counted.
    ///
    /// An answer of DynamoDB that was lost may leave a message counted twice: limits that protect money err on that side.
    ///
    /// # Errors
    /// [`ReserveError`]; nothing may be sent then.
    pub async fn reserve(&self, intent: &Intent<'_>) -> Result<Reservation, ReserveError> {
        let now = self.clock.now();
        let Ok(country) = intent.settings.allowed_countries.check(intent.phone) else {
            return Err(ReserveError::Refused(Failure::NotAllowed));
        };
        let scopes = [Scope::Country(country), Scope::prefix_of(intent.phone)];
        self.tallies.index(country, now).await?;
        let (recipient, price) = (intent.recipient, intent.settings.prices.of(country));
        let (counted, quotas) = (Vec::new(), Vec::new());
        let mut reservation = Reservation { country, recipient, price, at: now, counted, quotas };
        let counted = async {
            self.take_quotas(intent, &mut reservation).await?;
            self.ask_breaker(intent, &scopes, now).await?;
            self.count(intent, &scopes, &mut reservation).await
        };
        match counted.await {
            Ok(()) => Ok(reservation),
            Err(ReserveError::Refused(failure)) => {
                self.give_up(reservation, intent.purpose).await;
                Err(ReserveError::Refused(failure))
            }
            Err(error) => {
                self.give_back(reservation).await;
                Err(error)
            }
        }
    }

    /// What a sign-in by a number without an account leaves behind: the same quotas as one with an account, so that no
    /// other message's fate tells the two apart. It costs nothing, so no budget and no breaker counts it.
    ///
    /// # Errors
    /// [`TableError`], as for a real message.
    pub async fn pretend(&self, intent: &Intent<'_>) -> Result<(), TableError> {
        let now = self.clock.now();
        let Ok(country) = intent.settings.allowed_countries.check(intent.phone) else { return Ok(()) };
        let (counted, quotas) = (Vec::new(), Vec::new());
        let mut none = Reservation { country, recipient: intent.recipient, price: 0, at: now, counted, quotas };
        match self.take_quotas(intent, &mut none).await {
            Ok(()) | Err(ReserveError::Refused(_)) => Ok(()),
            Err(ReserveError::Table(error)) => Err(error),
        }
    }

    async fn ask_breaker(&self, intent: &Intent<'_>, scopes: &[Scope], now: Timestamp) -> Result<(), ReserveError> {
        if self.lifted {
            return Ok(());
        }
        let Err(HeldBack { until }) = self.breaker.get().await?.allows(intent.recipient, scopes, now) else {
            return Ok(());
        };
        let enforced = intent.settings.breaker.mode == Mode::Enforce;
        tracing::warn!(
            country = scopes[0].as_str(),
            until = until.rfc3339(),
            enforced,
            "the breaker holds a message back"
        );
        if enforced { Err(ReserveError::Refused(Failure::HeldBack)) } else { Ok(()) }
    }

    async fn take_quotas(&self, intent: &Intent<'_>, into: &mut Reservation) -> Result<(), ReserveError> {
        let Limits { prefix_hour, number_day, .. } = intent.settings.limits;
        // A stranger may ask for some of a number's messages, never for those that its owner needs to get in.
        let thirds = match intent.purpose {
            Purpose::Register => 1,
            Purpose::Login => 2,
            Purpose::SecondStep | Purpose::Profile | Purpose::Notice => 3,
        };
        let number = intent.pepper.hide("quota|number", intent.phone.e164());
        let of_number = Quota { most: (number_day * thirds).div_ceil(3), window: quota::DAY };
        self.take(number, of_number, Failure::NumberLimit, into).await?;
        // Who owns a range cannot keep the people in it from signing in. Sign-ins count all the same, whoever's they are:
        // a registration in the same range must not tell.
        let is_exempt = intent.recipient == Recipient::Established;
        if self.lifted || (is_exempt && intent.purpose != Purpose::Login) {
            return Ok(());
        }
        let prefix = format!("quota#{}", intent.phone.prefix());
        let of_prefix = Quota { most: prefix_hour, window: quota::HOUR };
        match self.take(prefix, of_prefix, Failure::PrefixLimit, into).await {
            Err(ReserveError::Refused(_)) if is_exempt => Ok(()),
            taken => taken,
        }
    }

    async fn count(&self, intent: &Intent<'_>, scopes: &[Scope], into: &mut Reservation) -> Result<(), ReserveError> {
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
                match self.tallies.reserve(&counter, into.recipient, into.price, allowance).await? {
                    Ok(tally) => into.counted.push((counter, tally)),
                    Err(full) => {
                        self.budget_is_spent(&counter, &full, allowance, intent.settings).await;
                        return Err(ReserveError::Refused(Failure::BudgetSpent));
                    }
                }
            }
        }
        Ok(())
    }

    async fn take(
        &self,
        id: String,
        quota: Quota,
        refused: Failure,
        into: &mut Reservation,
    ) -> Result<(), ReserveError> {
        match self.quotas.take(&id, &[quota], into.at).await {
            Ok(()) => {
                into.quotas.push(id);
                Ok(())
            }
            Err(QuotaError::Full(_)) => Err(ReserveError::Refused(refused)),
            Err(QuotaError::Table(error)) => Err(error.into()),
        }
    }

    /// Takes a reservation back for good: the message was refused. A sign-in stays counted at number and range, as one
    /// without an account does.
    pub async fn give_up(&self, mut reservation: Reservation, purpose: Purpose) {
        if purpose == Purpose::Login {
            reservation.quotas.clear();
        }
        self.give_back(reservation).await;
    }

    /// Takes a reservation back altogether: the message was not sent yet.
    pub async fn give_back(&self, reservation: Reservation) {
        for (counter, _) in &reservation.counted {
            if let Err(error) = self.tallies.give_back(counter, reservation.recipient, reservation.price).await {
                tracing::warn!(%error, "a reservation stays counted");
            }
        }
        for id in &reservation.quotas {
            if let Err(error) = self.quotas.give_back(id, reservation.at).await {
                tracing::warn!(%error, "a reservation stays counted");
            }
        }
    }

    /// Looks at what a reservation has counted, and trips the breaker where too many messages stay unanswered.
    pub async fn watch(&self, reservation: &Reservation, settings: &Settings) {
        if self.lifted {
            return;
        }
        for (period, tally) in reservation.of_all() {
            if let Some(percent) = settings.budgets.all.of(period).used_percent(tally) {
                metrics::emit(Metric::BudgetUsedPercent(period, percent), reservation.at);
            }
        }
        for (counter, tally) in &reservation.counted {
            let is_watched = counter.scope != Scope::All && counter.period != Period::Month;
            if !is_watched || tally.unanswered(reservation.recipient) < settings.breaker.floor {
                continue;
            }
            if let Err(error) = self.judge(counter, tally, settings, reservation).await {
                tracing::error!(%error, "the breaker could not be moved");
            }
        }
    }

    async fn judge(
        &self,
        counter: &Counter,
        tally: &Tally,
        settings: &Settings,
        reservation: &Reservation,
    ) -> Result<(), TableError> {
        let Reservation { recipient, at: now, .. } = *reservation;
        let best_day = self.tallies.best_day(&counter.scope, now).await?;
        let tripped = Tripped::by_unanswered(tally, recipient, best_day, &settings.breaker, counter.period, now);
        if let Some(tripped) = tripped
            && self.breaker.trip(&counter.scope, &tripped).await?
        {
            let (scope, mode) = (&counter.scope, settings.breaker.mode);
            tracing::warn!(?scope, step = ?tripped.step, cause = ?tripped.cause, ?mode, "the breaker has tripped");
            metrics::emit(Metric::BreakerStep(tripped.step), now);
        }
        Ok(())
    }

    /// Lets the functions that take requests know, so that they refuse before anything is written. A message that was too
    /// dear alone says nothing about the others.
    async fn budget_is_spent(&self, counter: &Counter, full: &Tally, allowance: Allowance, settings: &Settings) {
        let cheapest = match counter.scope {
            Scope::Country(country) => settings.prices.of(country),
            _ => settings.prices.cheapest(),
        };
        let (now, Counter { scope, period, began }) = (self.clock.now(), counter);
        if full.has_room(cheapest, allowance) {
            return;
        }
        let Some(closed) = Tripped::by_budget(*period, *began, now) else { return };
        tracing::error!(?scope, period = period.as_str(), "a budget is spent");
        for step in [Step::ProvenNumbersOnly, Step::Closed] {
            match self.breaker.trip(scope, &Tripped { step, ..closed }).await {
                Ok(true) if *scope == Scope::All && step == Step::Closed => {
                    metrics::emit(Metric::BudgetUsedPercent(*period, 100.0), now);
                    metrics::emit(Metric::BreakerStep(step), now);
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "the breaker could not be moved"),
            }
        }
    }

    /// Whether a request may lead to a message for `recipient`; what is known of the number is not asked for, so the
    /// answer says nothing about it. `None` asks for nobody in particular: only a spent budget refuses.
    ///
    /// # Errors
    /// [`TableError`] when the ladder cannot be read.
    pub async fn admits(
        &self,
        settings: &Settings,
        recipient: Option<Recipient>,
        country: Country,
        phone: &PhoneNumber,
    ) -> Result<Result<(), HeldBack>, TableError> {
        if self.lifted {
            return Ok(Ok(()));
        }
        let (breaker, now) = (self.breaker.get().await?, self.clock.now());
        let scopes = [Scope::Country(country), Scope::prefix_of(phone)];
        let by_scope = || match (recipient, settings.breaker.mode) {
            (Some(recipient), Mode::Enforce) => breaker.allows(recipient, &scopes, now),
            _ => Ok(()),
        };
        Ok(breaker.allows_anyone(now).and_then(|()| by_scope()))
    }

    /// Counts a request from an address; what is refused is not counted.
    ///
    /// # Errors
    /// [`QuotaError`].
    pub async fn count_address(&self, id: &str, limits: &Limits) -> Result<(), QuotaError> {
        let quotas = [
            Quota { most: limits.address_hour, window: quota::HOUR },
            Quota { most: limits.address_day, window: quota::DAY },
        ];
        self.quotas.take(id, &quotas, self.clock.now()).await
    }
}
