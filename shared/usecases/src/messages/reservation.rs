//! Reservations: nothing is sent that limits and budgets have not counted first.

use std::sync::Arc;

use futures_util::future::join_all;
use twostep_crypto::Pepper;
use twostep_domain::{
    account::PhoneTrust,
    challenge::{Challenge, DeliveryFailure, Payload, PurposeName},
    country::Country,
    phone::PhoneNumber,
    rate_limit::RateLimit,
    settings::Settings,
    spending::{Asked, Budgets, Evidence, Full, Level, Mode, Period, Scope, Trip},
    time::{Clock, HOUR, Timestamp},
};
use twostep_runtime::{
    config::{self, ConfigError},
    metrics::{Dimension, Metric, Name},
};
use twostep_stores::{
    SlidingWindowStore, TableError, Tables,
    sliding_window::{LimitError, Window},
    spending::{BreakerStore, Charge, CounterStore, LedgerStore, PeopleStore, Place},
};

use super::watch::{Watch, Watched, breaker_level, hidden_range, watched};

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
    charge: Charge,
    trust: PhoneTrust,
    at: Timestamp,
    in_windows: Vec<InWindow>,
    in_evidence: Vec<Place>,
    asked: Option<Asked>,
}

/// An entry of a sliding window.
#[derive(Clone, Debug)]
struct InWindow {
    id: String,
    list: &'static str,
}

impl Reservation {
    #[must_use]
    pub fn country(&self) -> Country {
        self.charge.country
    }

    /// How the person was counted who gets the message. Save it in the challenge together with the message's outcome: the
    /// code that comes back is counted by it. `None` if the person was counted with an earlier message.
    #[must_use]
    pub fn asked(&self) -> Option<Asked> {
        self.asked.clone()
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
    /// How many messages the number had for this purpose in the last 24 hours.
    pub messages_before: usize,
    /// How the person was counted, if they were asked before and have not answered.
    pub asked: Option<&'a Asked>,
    /// Whether the breaker weighs the person, see [`Payload::weighed`].
    pub weighed: bool,
}

impl<'a> MessageIntent<'a> {
    /// The present message of `challenge`, to `phone`.
    #[must_use]
    pub fn of(
        challenge: &'a Challenge,
        payload: &'a Payload,
        phone: &'a PhoneNumber,
        settings: &'a Settings,
        pepper: &'a Pepper,
        now: Timestamp,
    ) -> Self {
        Self {
            phone,
            purpose: payload.purpose.name(),
            trust: payload.phone_trust(now),
            settings,
            pepper,
            messages_before: challenge.messages_before(),
            asked: challenge.asked.as_deref().filter(|asked| asked.is_fresh(now)),
            weighed: payload.weighed,
        }
    }
}

/// Everything that counts messages before they are sent.
pub struct Spending {
    clock: Arc<dyn Clock>,
    pub counters: CounterStore,
    pub ledger: LedgerStore,
    pub breaker: Arc<BreakerStore>,
    people: PeopleStore,
    windows: SlidingWindowStore,
    watch: Watch,
    /// On a laptop only the limit of each number holds; the rest is counted and not enforced.
    lifted: bool,
}

/// The lists in a range's item. The first has the messages to new numbers: how many a stranger can ask for must not depend
/// on what owners do. The second has these and the sign-ins of all numbers, with or without an account. The third has the
/// messages to established numbers.
const TO_NEW: &str = SlidingWindowStore::LIST;
const TO_ALL: &str = "all_messages";
const TO_ESTABLISHED: &str = "established";

/// A message as its range has counted it.
#[derive(Default)]
struct InRange {
    entries: Vec<InWindow>,
    /// How many messages to numbers of this trust the range had in the last hour, this one included.
    messages: usize,
}

/// The person who gets a message, as the breaker's evidence counts them.
struct Person {
    asked: Option<Asked>,
    places: Vec<Place>,
}

impl Spending {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            counters: tables.counters()?,
            ledger: tables.ledger()?,
            breaker: tables.breaker()?,
            people: tables.people()?,
            windows: tables.sliding_windows()?,
            watch: Watch::open(tables)?,
            lifted: config::limits_are_lifted(tables.env())?,
        })
    }

    /// Counts a message before it is sent, in two round trips: at its range, while the breaker's evidence is read; then in
    /// the ledger, which holds every budget, and in the evidence. So a message that a limit refuses takes nothing from a
    /// budget. After a refusal nothing stays counted.
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
        let watched = watched(country, intent.phone, intent.pepper);
        let (at_number, in_range, evidence) = tokio::join!(
            self.count_at_number(intent, now),
            self.count_in_range(intent, now),
            self.evidence(intent, &watched, now)
        );
        let counted = [at_number.as_ref().ok(), in_range.as_ref().ok().map(|in_range| &in_range.entries)];
        let entries: Vec<InWindow> = counted.into_iter().flatten().flatten().cloned().collect();
        let reserved = async {
            at_number?;
            let in_range = in_range?;
            self.check_breaker(intent, &watched, &evidence?, &in_range, now).await?;
            let charged = self.charge(intent, country, &in_range, now).await?;
            Ok(Reservation { in_windows: entries.clone(), ..charged })
        };
        let reserved = Box::pin(reserved).await;
        // A sign-in that was refused stays counted at its range, as a decoy does.
        let stays = match &reserved {
            Ok(_) => true,
            Err(ReserveError::Refused(_)) => intent.purpose.can_be_decoy(),
            Err(ReserveError::Table(_)) => false,
        };
        if !stays {
            self.release_entries(&entries, now).await;
        }
        reserved
    }

    /// Counts a decoy at its range like a real message, so that the fate of another message does not tell the two apart. A
    /// decoy costs nothing, so budgets and the breaker do not count it.
    ///
    /// # Errors
    /// [`TableError`], as for a real message.
    pub async fn reserve_decoy(&self, intent: &MessageIntent<'_>) -> Result<(), TableError> {
        if intent.settings.allowed_countries.check(intent.phone).is_err() {
            return Ok(());
        }
        match self.count_in_range(intent, self.clock.now()).await {
            Ok(_) | Err(ReserveError::Refused(_)) => Ok(()),
            Err(ReserveError::Table(error)) => Err(error),
        }
    }

    /// Counts the message at its number. A challenge counts its own messages, and it is the only one of its number for its
    /// purpose; but many accounts and clients can want one number, and each notice is a challenge of its own.
    async fn count_at_number(&self, intent: &MessageIntent<'_>, now: Timestamp) -> Result<Vec<InWindow>, ReserveError> {
        let (limit, refused) = (intent.settings.limits.of_number(intent.purpose), DeliveryFailure::NumberLimit);
        if !matches!(intent.purpose, PurposeName::Profile | PurposeName::Verification | PurposeName::Notice) {
            let is_full = intent.messages_before >= limit.most;
            return if is_full { Err(ReserveError::Refused(refused)) } else { Ok(Vec::new()) };
        }
        let number = format!("{}|{}", intent.purpose.as_str(), intent.phone.e164());
        let id = intent.pepper.hide("quota|number", &number);
        match self.windows.reserve(&id, &[limit], now).await {
            Ok(_) => Ok(vec![InWindow { id, list: SlidingWindowStore::LIST }]),
            Err(LimitError::Reached(_)) => Err(ReserveError::Refused(refused)),
            Err(LimitError::Table(error)) => Err(error.into()),
        }
    }

    /// Counts the message at its range. An attacker who owns a range must not keep its users from signing in, so no limit
    /// refuses established numbers.
    async fn count_in_range(&self, intent: &MessageIntent<'_>, now: Timestamp) -> Result<InRange, ReserveError> {
        if self.lifted {
            return Ok(InRange::default());
        }
        let limit = [intent.settings.limits.of_prefix()];
        let unwatched = [RateLimit { most: self.unwatched(intent) + 1, window: HOUR }];
        let to_new = Window { list: TO_NEW, limits: &limit, enforced: true };
        let to_all = |enforced| Window { list: TO_ALL, limits: &limit, enforced };
        let to_established = Window { list: TO_ESTABLISHED, limits: &unwatched, enforced: false };
        let windows = match (intent.trust, intent.purpose.can_be_decoy()) {
            // A decoy counts like the sign-in or the reset of an account.
            (PhoneTrust::New, true) | (PhoneTrust::Verified, _) => vec![to_all(true)],
            (PhoneTrust::New, false) => vec![to_new, to_all(false)],
            (PhoneTrust::Established, true) => vec![to_all(true), to_established],
            (PhoneTrust::Established, false) => vec![to_established],
        };
        let id = format!("quota#{}", intent.phone.prefix());
        let mut reserved = self.windows.reserve_in(&id, &windows, now).await;
        if matches!(reserved, Err(LimitError::Reached(_))) && intent.trust == PhoneTrust::Established {
            reserved = self.windows.reserve_in(&id, &[to_established], now).await;
        }
        match reserved {
            Ok(counted) => {
                let own = if intent.trust == PhoneTrust::Established { TO_ESTABLISHED } else { windows[0].list };
                let entries = windows.iter().map(|Window { list, .. }| InWindow { id: id.clone(), list });
                Ok(InRange { entries: entries.collect(), messages: counted.within(own, HOUR, now) })
            }
            Err(LimitError::Reached(_)) => Err(ReserveError::Refused(DeliveryFailure::PrefixLimit)),
            Err(LimitError::Table(error)) => Err(error.into()),
        }
    }

    /// The evidence on numbers of this trust in each of the scopes. Established numbers have none in a country.
    async fn evidence(
        &self,
        intent: &MessageIntent<'_>,
        watched: &[Watched],
        now: Timestamp,
    ) -> Result<Vec<Evidence>, ReserveError> {
        if self.lifted || intent.trust == PhoneTrust::Established {
            return Ok(Vec::new());
        }
        let places: Vec<Place> = watched.iter().map(|watched| watched.place.clone()).collect();
        Ok(self.people.evidence(&places, intent.trust, now).await?)
    }

    async fn check_breaker(
        &self,
        intent: &MessageIntent<'_>,
        watched: &[Watched],
        evidence: &[Evidence],
        in_range: &InRange,
        now: Timestamp,
    ) -> Result<(), ReserveError> {
        if self.lifted {
            return Ok(());
        }
        let MessageIntent { trust, settings, .. } = *intent;
        let is_held = if trust == PhoneTrust::Established {
            in_range.messages > self.unwatched(intent) && {
                let place = &watched[1].place;
                let hour = self.people.of_the_last_hour(place, trust, now).await?;
                hour.is_too_much_for_established(&settings.breaker, now)
            }
        } else {
            // A spent budget of the country is a trip too, but the ledger knows better.
            self.watch.held(trust, watched, &settings.breaker).await?.is_err()
                || self.watch.judge(trust, watched, evidence, settings).await?.is_err()
        };
        if !is_held {
            return Ok(());
        }
        let enforced = settings.breaker.mode == Mode::Enforce;
        tracing::warn!(country = watched[0].scope.as_str(), ?trust, enforced, "the breaker holds a message back");
        if enforced { Err(ReserveError::Refused(DeliveryFailure::HeldBack)) } else { Ok(()) }
    }

    /// How many messages to established numbers a range may have in an hour before they are watched.
    #[expect(clippy::unused_self, reason = "it belongs to the rules here")]
    fn unwatched(&self, intent: &MessageIntent<'_>) -> usize {
        usize::try_from(intent.settings.breaker.floor).unwrap_or(usize::MAX).min(1_000)
    }

    /// Charges the message to every budget, and counts its person in the evidence.
    async fn charge(
        &self,
        intent: &MessageIntent<'_>,
        country: Country,
        in_range: &InRange,
        now: Timestamp,
    ) -> Result<Reservation, ReserveError> {
        let Person { asked, places } = self.person(intent, country, in_range, now);
        let unlimited;
        let budgets = if self.lifted {
            unlimited = Budgets::unlimited();
            &unlimited
        } else {
            &intent.settings.budgets
        };
        let price = intent.settings.prices.of(country);
        let counted = join_all(places.iter().map(|place| self.people.ask(place, intent.trust, now)));
        let (charged, counted) = tokio::join!(self.ledger.reserve(country, price, budgets, now), counted);
        let (in_evidence, failed): (Vec<_>, Vec<_>) =
            places.into_iter().zip(counted).partition(|(_, counted)| counted.is_ok());
        let in_evidence: Vec<Place> = in_evidence.into_iter().map(|(place, _)| place).collect();
        let failed = failed.into_iter().find_map(|(_, counted)| counted.err());
        match (charged, failed) {
            (Ok(Ok(charge)), None) => {
                let in_windows = Vec::new();
                Ok(Reservation { charge, trust: intent.trust, at: now, in_windows, in_evidence, asked })
            }
            (Ok(Ok(charge)), Some(error)) => {
                let (trust, in_windows) = (intent.trust, Vec::new());
                self.release(Reservation { charge, trust, at: now, in_windows, in_evidence, asked }).await;
                Err(error.into())
            }
            (Ok(Err(full)), _) => {
                self.unask(&in_evidence, intent.trust, now).await;
                self.budget_is_spent(&full, intent.settings).await;
                Err(ReserveError::Refused(DeliveryFailure::BudgetSpent))
            }
            (Err(error), _) => {
                self.unask(&in_evidence, intent.trust, now).await;
                Err(error.into())
            }
        }
    }

    /// How the evidence counts the person: once until they answer, however many messages they get. No client IP and no range
    /// adds more than a small share to what closes a scope for others.
    fn person(&self, intent: &MessageIntent<'_>, country: Country, in_range: &InRange, now: Timestamp) -> Person {
        let MessageIntent { purpose, trust, settings, .. } = *intent;
        let range = || hidden_range(intent.pepper, intent.phone);
        let fresh = Asked {
            at: now,
            country,
            trust,
            signs_in: matches!(purpose, PurposeName::Register | PurposeName::Login | PurposeName::SecondStep),
            in_country: false,
            range: None,
            in_range: 0,
        };
        if purpose == PurposeName::Notice {
            return Person { asked: None, places: Vec::new() };
        }
        if self.lifted {
            return Person { asked: intent.asked.is_none().then_some(fresh), places: Vec::new() };
        }
        if trust == PhoneTrust::Established {
            // Every message beyond the unwatched ones counts.
            if in_range.messages <= self.unwatched(intent) {
                return Person { asked: intent.asked.is_none().then_some(fresh), places: Vec::new() };
            }
            let asked = intent.asked.cloned().unwrap_or(fresh);
            let asked = Asked { range: Some(range()), in_range: asked.in_range + 1, ..asked };
            return Person { asked: Some(asked), places: vec![Place::range(&range())] };
        }
        if intent.asked.is_some() {
            return Person { asked: None, places: Vec::new() };
        }
        let mut places = Vec::new();
        let in_country = intent.weighed && in_range.messages <= settings.breaker.single_share();
        if intent.weighed {
            places.push(Place::range(&range()));
        }
        if in_country {
            places.push(country.into());
        }
        let (range, in_range) = if intent.weighed { (Some(range()), 1) } else { (None, 0) };
        Person { asked: Some(Asked { in_country, range, in_range, ..fresh }), places }
    }

    /// Ends the reservation of a message that was refused for good. A sign-in or a reset stays counted at its range, as a decoy
    /// does.
    pub async fn forfeit(&self, mut reservation: Reservation, purpose: PurposeName) {
        if purpose.can_be_decoy() {
            reservation.in_windows.clear();
        }
        self.release(reservation).await;
    }

    /// Takes a reservation back altogether: the message was not sent.
    pub async fn release(&self, reservation: Reservation) {
        let charge = async {
            if let Err(error) = self.ledger.release(&reservation.charge).await {
                tracing::warn!(%error, "a reservation stays counted");
            }
        };
        tokio::join!(
            charge,
            self.release_entries(&reservation.in_windows, reservation.at),
            self.unask(&reservation.in_evidence, reservation.trust, reservation.at)
        );
    }

    async fn release_entries(&self, entries: &[InWindow], at: Timestamp) {
        // One after the other: the lists of a range are in one item.
        for InWindow { id, list } in entries {
            if let Err(error) = self.windows.release(id, list, at).await {
                tracing::warn!(%error, "a reservation stays counted");
            }
        }
    }

    async fn unask(&self, places: &[Place], trust: PhoneTrust, at: Timestamp) {
        for unasked in join_all(places.iter().map(|place| self.people.unask(place, trust, at))).await {
            if let Err(error) = unasked {
                tracing::warn!(%error, "a person stays counted");
            }
        }
    }

    /// Reports how much of the budgets is used once a message was sent.
    pub fn report(&self, reservation: &Reservation, settings: &Settings) {
        if self.lifted {
            return;
        }
        for period in Period::ALL {
            let used = settings.budgets.all.of(period).used_percent(reservation.charge.all.of(period));
            if let Some(percent) = used {
                budget_used(period, percent, reservation.at);
            }
        }
    }

    /// Trips the breaker, so that the functions that take requests refuse before anything is written. A single message that
    /// was too expensive says nothing about the others.
    async fn budget_is_spent(&self, full: &Full, settings: &Settings) {
        let Full { scope, period, start, spent, allowance } = full;
        let cheapest = match scope {
            Scope::Country(country) => settings.prices.of(*country),
            _ => settings.prices.cheapest(),
        };
        let now = self.clock.now();
        if allowance.has_room(*spent, cheapest) {
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
