//! Send the messages on the queue. An entry can be received more than once; its message is handed over to the provider
//! at most once.
//!
//! While an entry is received, the queue hides it from other receivers: that is the claim, and it ends by itself. Everything
//! that can fail without trace is done under it: keys, provider account, settings and challenge are read, the payload is
//! opened, and the message is reserved. Then the challenge is saved as handed over. From there on, no other attempt sends it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use rand::RngExt;
use tokio::task::JoinSet;
use twostep_crypto::KeyRing;
use twostep_domain::{
    challenge::{Challenge, Delivery, DeliveryFailure, Payload, Policy, Purpose},
    country::Country,
    message_texts::{self, Site},
    phone::PhoneNumber,
    sender::SenderKind,
    settings::Settings,
    spending::{Asked, MessageEvent},
    time::{Clock, SECOND, Timestamp},
};
use twostep_runtime::{
    Deadline, Queue, Startup, entropy,
    metrics::{Dimension, Metric, Name},
    secrets::{Keys, SecretError, Secrets},
};
use twostep_senders::{Fault, Message, Outcome};
use twostep_stores::{
    CachedSettings, ChallengeStore, SentMessageStore, TableError, Tables, sent_messages::SentMessage,
};

use super::{
    delivery_reports::Deliveries,
    notice::NoticeReserve,
    provider::OpenError,
    queue::{QueuedMessage, unreadable},
    reservation::{MessageIntent, Reservation, ReserveError, Spending},
    senders::{Ready, Senders, Sent},
};
use crate::warm_up;

pub struct SendMessages {
    clock: Arc<dyn Clock>,
    policy: Policy,
    queue: Queue,
    keys: Arc<Keys>,
    challenges: ChallengeStore,
    sent_messages: SentMessageStore,
    deliveries: Deliveries,
    senders: Senders,
    settings: Arc<CachedSettings>,
    spending: Spending,
    notices: NoticeReserve,
}

/// An entry of the queue, as it was received.
pub struct Received {
    /// What the event source calls the entry, to report it as failed.
    pub id: String,
    /// What the queue calls this receive of the entry.
    pub receipt: String,
    /// How often the entry has been received, this time included.
    pub times: u32,
    /// `None` if the entry names no message.
    pub message: Option<QueuedMessage>,
}

/// Everything that sending a message takes.
struct Prepared {
    ring: Arc<KeyRing>,
    senders: Ready,
    settings: Arc<Settings>,
    site: Site,
    phone: PhoneNumber,
    payload: Payload,
}

/// Why a message cannot be prepared.
enum Unprepared {
    /// Not now.
    Later(Later),
    /// It cannot be sent at all. The country is told as far as it is known.
    Never(DeliveryFailure, Option<Country>),
}

/// A message that certainly was not sent now and is tried again.
#[derive(Debug)]
struct Later {
    why: String,
    /// Its budget has no room, which is no fault.
    is_held_back: bool,
    /// The longest pause before the next try.
    longest_pause: Duration,
    /// When its code expires.
    until: Option<Timestamp>,
    /// The attempt that sent nothing, although the table may say that it did.
    void_attempt: Option<u64>,
}

impl Later {
    fn because(why: impl Into<String>) -> Self {
        let longest_pause = Policy::default().longest_code_pause;
        Self { why: why.into(), is_held_back: false, longest_pause, until: None, void_attempt: None }
    }

    /// When to try a message again that was received so often.
    fn pause(&self, times: u32, now: Timestamp) -> Duration {
        let pause = Policy::retry_pause(times, self.longest_pause);
        self.until.map_or(pause, |until| pause.min(now.until(until))).max(SECOND)
    }
}

impl From<TableError> for Later {
    fn from(error: TableError) -> Self {
        Self::because(error.to_string())
    }
}

impl From<SecretError> for Later {
    fn from(error: SecretError) -> Self {
        Self::because(error.to_string())
    }
}

impl SendMessages {
    /// What sending takes at most once a message is reserved: saving it as handed over, and the provider.
    const SENDING: Duration = Duration::from_secs(16);
    /// No entry is received so often before its code has expired, so something always goes wrong with it.
    const MOST_TIMES: u32 = 500;

    /// # Errors
    /// [`OpenError`]
    pub fn open(startup: &Startup, tables: &Tables, secrets: &Secrets) -> Result<Self, OpenError> {
        Self::with_queue(Queue::open(startup, "MESSAGES_QUEUE")?, tables, secrets)
    }

    /// # Errors
    /// [`OpenError`]
    pub fn with_queue(queue: Queue, tables: &Tables, secrets: &Secrets) -> Result<Self, OpenError> {
        Ok(Self {
            clock: tables.clock(),
            policy: Policy::default(),
            queue,
            keys: secrets.keys()?,
            challenges: tables.challenges()?,
            sent_messages: tables.sent_messages()?,
            deliveries: Deliveries::open(tables)?,
            senders: Senders::open(tables, secrets)?,
            settings: tables.settings()?,
            spending: Spending::open(tables)?,
            notices: NoticeReserve::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        // Messages go out in parallel, so a second connection to DynamoDB is of use.
        tokio::join!(
            warm_up::secret(&self.keys),
            self.senders.warm_up(),
            warm_up::settings(&self.settings),
            self.challenges.open_connection()
        );
    }

    /// Sends what the entries name, all in parallel. Gives the ids of the entries that stay on the queue.
    pub async fn send(&'static self, batch: Vec<Received>, deadline: Deadline) -> Vec<String> {
        // An entry whose task panics stays on the queue; the others go on.
        let mut left: BTreeSet<String> = batch.iter().map(|received| received.id.clone()).collect();
        let mut sends = JoinSet::new();
        for received in batch {
            sends.spawn(async move { self.take(&received, deadline).await.then_some(received.id) });
        }
        while let Some(sent) = sends.join_next().await {
            if let Ok(Some(id)) = sent {
                left.remove(&id);
            }
        }
        left.into_iter().collect()
    }

    /// Takes one entry, and tells whether it is done with.
    async fn take(&self, received: &Received, deadline: Deadline) -> bool {
        let Some(message) = received.message.as_ref().filter(|_| received.times <= Self::MOST_TIMES) else {
            unreadable("an entry of the queue names no message that can be sent", &*self.clock);
            return true;
        };
        let Err(later) = self.send_one(message, deadline).await else { return true };
        tracing::warn!(why = later.why, times = received.times, "a message waits");
        let now = self.clock.now();
        if !later.is_held_back {
            Metric::count(Name::SmsDeferred).emit(now);
        }
        let pause = later.pause(received.times, now);
        // What the table could not be told, the queue is told.
        if later.void_attempt.is_some() {
            let entry = QueuedMessage { void_attempt: later.void_attempt, ..message.clone() };
            match self.queue.put(entry.write(), pause).await {
                Ok(()) => return true,
                Err(error) => tracing::error!(%error, "a message that was not sent may count as sent"),
            }
        }
        if let Err(error) = self.queue.hide(&received.receipt, pause).await {
            tracing::warn!(%error, "a message waits for the queue's visibility timeout");
        }
        false
    }

    async fn send_one(&self, message: &QueuedMessage, deadline: Deadline) -> Result<(), Later> {
        let challenge = match self.challenges.find(&message.challenge).await {
            Ok(Some(found)) => found.taken_back(message.void_attempt),
            Ok(None) => return Ok(()),
            Err(TableError::Malformed { .. }) => {
                unreadable("its challenge is malformed", &*self.clock);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if !challenge.waits(message.send_number) {
            return Ok(());
        }
        let until = Some(challenge.expires_at);
        self.send_waiting(message, challenge, deadline).await.map_err(|later| Later { until, ..later })
    }

    async fn send_waiting(
        &self,
        message: &QueuedMessage,
        challenge: Challenge,
        deadline: Deadline,
    ) -> Result<(), Later> {
        let prepared = self.prepare(&challenge).await;
        if self.clock.now() >= challenge.expires_at {
            let country = prepared.ok().and_then(|prepared| Country::of_mobile(&prepared.phone));
            return self.refuse(message, challenge, DeliveryFailure::NotSentInTime, country).await;
        }
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(Unprepared::Later(later)) => return Err(later),
            Err(Unprepared::Never(failure, country)) => {
                return self.refuse(message, challenge, failure, country).await;
            }
        };
        let country = Country::of_mobile(&prepared.phone);
        let reservation = match self.reserve(&challenge, &prepared).await {
            Ok(reservation) => reservation,
            Err(ReserveError::Table(error)) => return Err(error.into()),
            Err(ReserveError::Refused(failure)) => {
                if let Some(later) = self.held_back(&challenge, &prepared.payload, failure) {
                    return Err(later);
                }
                return self.refuse(message, challenge, failure, country).await;
            }
        };
        if !deadline.leaves(Self::SENDING) {
            self.release(reservation).await;
            return Err(Later::because("no time is left in this invocation"));
        }
        let (attempt, number) = (entropy::system().random::<u64>(), message.send_number);
        let hand_over = |current: &Challenge| {
            let waiting = current.clone().taken_back(message.void_attempt);
            waiting.hand_over(number, attempt, country, self.clock.now())
        };
        match self.challenges.advance(challenge, hand_over).await {
            Ok(Some(handed_over)) => self.deliver(&handed_over, attempt, prepared, reservation, deadline).await,
            // Another receiver was faster, or the code was used, replaced or has expired. If the message still waits, the
            // next receive of the entry records that it has failed.
            Ok(None) => {
                self.release(reservation).await;
                Err(Later::because("the message was taken, or its code has expired"))
            }
            // Nothing was sent, but the table may say so.
            Err(error) => {
                self.release(reservation).await;
                Err(Later { void_attempt: Some(attempt), ..error.into() })
            }
        }
    }

    /// Reads what sending takes, from memory most of the time.
    async fn prepare(&self, challenge: &Challenge) -> Result<Prepared, Unprepared> {
        let (ring, settings) = tokio::join!(self.keys.get(), self.settings.get_recent());
        let ring = ring.map_err(|error| Unprepared::Later(error.into()))?;
        let payload = ring.open::<Payload>(challenge.key.as_str(), &challenge.sealed, self.clock.now());
        let payload = payload.map_err(|error| {
            tracing::error!(%error, "a message cannot be opened");
            Unprepared::Never(DeliveryFailure::Unreadable, None)
        })?;
        // Only messages to numbers are put on the queue.
        let Some(phone) = payload.to.phone().cloned() else {
            return Err(Unprepared::Never(DeliveryFailure::Unreadable, None));
        };
        let country = Country::of_mobile(&phone);
        let settings = settings.map_err(|error| Unprepared::Later(error.into()))?;
        let is_notice = matches!(payload.purpose, Purpose::Notice { .. });
        if !settings.two_step_enabled && !is_notice {
            return Err(Unprepared::Never(DeliveryFailure::NotAllowed, country));
        }
        let site = settings.site().map_err(|_| Unprepared::Never(DeliveryFailure::SiteNotSet, country))?;
        let senders = self.senders.ready(Arc::clone(&settings), Arc::clone(&ring)).await;
        let senders = senders.map_err(|error| Unprepared::Later(error.into()))?;
        Ok(Prepared { ring, senders, settings, site, phone, payload })
    }

    /// Counts the message everywhere before it is sent. `None` if nothing is sent: to a test number, or for a decoy, which is
    /// counted as far as it tells something.
    async fn reserve(&self, challenge: &Challenge, prepared: &Prepared) -> Result<Option<Reservation>, ReserveError> {
        let Prepared { ring, settings, phone, payload, .. } = prepared;
        let intent = MessageIntent::of(challenge, payload, phone, settings, &ring.pepper, self.clock.now());
        if !matches!(payload.purpose, Purpose::Notice { .. }) && settings.test_number(phone).is_some() {
            return Ok(None);
        }
        if challenge.decoy {
            // What else changes is the same as for a message, and none is sent.
            self.spending.reserve_decoy(&intent).await?;
            return Ok(None);
        }
        let reserved = match &payload.purpose {
            Purpose::Notice { user, .. } => self.notices.reserve(&self.spending, &intent, user.as_ref()).await,
            _ => self.spending.reserve(&intent).await,
        };
        reserved.map(Some)
    }

    /// A notice waits for a budget, a code does not: its user waits in front of the page and should choose another way.
    fn held_back(&self, challenge: &Challenge, payload: &Payload, failure: DeliveryFailure) -> Option<Later> {
        let is_notice = matches!(payload.purpose, Purpose::Notice { .. });
        let longest_pause = self.policy.longest_notice_pause;
        let may_wait =
            failure != DeliveryFailure::NotAllowed && self.clock.now().plus(longest_pause) < challenge.expires_at;
        let later = || Later { is_held_back: true, longest_pause, ..Later::because(failure.as_str()) };
        (is_notice && may_wait).then(later)
    }

    /// Records why a message is not sent.
    async fn refuse(
        &self,
        message: &QueuedMessage,
        challenge: Challenge,
        failure: DeliveryFailure,
        country: Option<Country>,
    ) -> Result<(), Later> {
        tracing::warn!(reason = failure.as_str(), "a message was not sent");
        let refuse = |current: &Challenge| {
            current.clone().taken_back(message.void_attempt).refuse(message.send_number, failure, self.clock.now())
        };
        let is_decoy = challenge.decoy;
        if self.challenges.advance(challenge, refuse).await?.is_some() && !is_decoy {
            self.count_failure(failure, country).await;
        }
        Ok(())
    }

    async fn count_failure(&self, failure: DeliveryFailure, country: Option<Country>) {
        let now = self.clock.now();
        Metric::count(Name::SmsFailed).by(Dimension::Reason, failure.as_str()).emit(now);
        self.count(country, MessageEvent::Failed(failure)).await;
    }

    /// Counts what each sender did, where there is more than one.
    async fn count_senders(
        &self,
        settings: &Settings,
        country: Option<Country>,
        by: SenderKind,
        outcome: &Outcome,
        refused_by: Vec<SenderKind>,
    ) {
        if settings.sender.order.len() < 2 {
            return;
        }
        for refused in refused_by {
            self.count(country, MessageEvent::RefusedBy(refused)).await;
        }
        let event = match outcome {
            Outcome::Accepted { .. } | Outcome::Unknown { .. } => MessageEvent::SentBy(by),
            Outcome::Refused { .. } => MessageEvent::RefusedBy(by),
            Outcome::Later { .. } => return,
        };
        self.count(country, event).await;
    }

    async fn count(&self, country: Option<Country>, event: MessageEvent) {
        if let Some(country) = country
            && let Err(error) = self.spending.counters.count(country, event, self.clock.now()).await
        {
            tracing::warn!(%error, "what happened to a message was not counted");
        }
    }

    /// Hands a message over to the provider and records what it said.
    async fn deliver(
        &self,
        handed_over: &Challenge,
        attempt: u64,
        prepared: Prepared,
        reservation: Option<Reservation>,
        deadline: Deadline,
    ) -> Result<(), Later> {
        let Prepared { senders, settings, site, phone, payload, .. } = prepared;
        let Some(reservation) = reservation else {
            self.save(handed_over, Delivery::Sent, None).await;
            if settings.test_number(&phone).is_some() {
                self.count(Country::of_mobile(&phone), MessageEvent::Test).await;
            }
            return Ok(());
        };
        let content = match payload.purpose {
            Purpose::Notice { .. } => message_texts::phone_changed_message(&site, payload.language),
            _ => message_texts::code_message(&site, payload.language, &payload.code),
        };
        let reference = SentMessage::reference(handed_over);
        let message = Message { to: &phone, content: &content, reference: &reference };
        let country = Country::of_mobile(&phone);
        let Sent { by, outcome, refused_by } = self.senders.send(&senders, &message, deadline).await;
        self.count_senders(&settings, country, by, &outcome, refused_by).await;
        match outcome {
            Outcome::Accepted { message_id } => {
                let (country, now, name) = (reservation.country(), self.clock.now(), by.message_name(&message_id));
                Metric::count(Name::SmsAccepted).emit(now);
                Metric::count(Name::SmsAcceptedByCountry).by(Dimension::Country, country.as_str()).emit(now);
                self.spending.report(&reservation, &settings);
                tokio::join!(
                    self.save(handed_over, Delivery::Sent, reservation.asked()),
                    self.remember(handed_over, &name)
                );
            }
            Outcome::Unknown { reason } => {
                tracing::warn!(reason, "the provider did not say whether it sent a message");
                Metric::count(Name::SmsUnknown).emit(self.clock.now());
                self.spending.report(&reservation, &settings);
                self.save(handed_over, Delivery::Unknown, reservation.asked()).await;
            }
            Outcome::Refused { code, fault } => {
                let failure = refused(&code, fault);
                let (number, now) = (handed_over.send_number, self.clock.now());
                let record = |current: &Challenge| current.record_failure(number, failure, now);
                let (saved, ()) = tokio::join!(
                    self.challenges.advance(handed_over.clone(), record),
                    self.forfeit(reservation, &payload)
                );
                if let Err(error) = saved {
                    tracing::error!(%error, "a refusal was not saved");
                }
                self.count_failure(failure, country).await;
            }
            Outcome::Later { reason } => {
                let (is_saved, ()) =
                    tokio::join!(self.save(handed_over, Delivery::Deferred, None), self.release(Some(reservation)));
                let void_attempt = (!is_saved).then_some(attempt);
                return Err(Later { void_attempt, ..Later::because(reason) });
            }
        }
        Ok(())
    }

    /// Saves how far a message got that was handed over. If that fails, it reads `unknown` after a minute, until a delivery
    /// report tells more. `asked` tells how the person was counted who gets it.
    async fn save(&self, handed_over: &Challenge, delivery: Delivery, asked: Option<Asked>) -> bool {
        let (number, now) = (handed_over.send_number, self.clock.now());
        let record = |current: &Challenge| {
            current.record_delivery(number, delivery, now).map(|saved| saved.with_asked(asked.clone()))
        };
        let saved = self.challenges.advance(handed_over.clone(), record).await;
        if let Err(error) = &saved {
            tracing::error!(%error, ?delivery, "the delivery of a message was not saved");
        }
        saved.is_ok()
    }

    /// Lets a delivery report find the challenge. A report that was faster is recorded now.
    async fn remember(&self, handed_over: &Challenge, message_id: &str) {
        let message = SentMessage::new(message_id, handed_over);
        let recorded = match self.sent_messages.save(&message).await {
            Ok(Some(reported)) => self.deliveries.record(&message, reported).await,
            saved => saved.map(|_| ()),
        };
        if let Err(error) = recorded {
            tracing::error!(%error, "a sent message was not remembered");
        }
    }

    /// Takes a reservation back altogether.
    async fn release(&self, reservation: Option<Reservation>) {
        if let Some(reservation) = reservation {
            self.spending.release(reservation).await;
        }
    }

    async fn forfeit(&self, reservation: Reservation, payload: &Payload) {
        self.spending.forfeit(reservation, payload.purpose.name()).await;
    }
}

fn refused(code: &str, fault: Fault) -> DeliveryFailure {
    match fault {
        Fault::Recipient => {
            tracing::warn!(code, "the provider refused a number");
            DeliveryFailure::NumberRefused
        }
        Fault::Key | Fault::Sender | Fault::Account => {
            tracing::error!(code, "the provider refuses this account: check key, balance and sender");
            DeliveryFailure::AccountRefused
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_tried_again_after_growing_pauses_and_when_its_code_expires() {
        let now = Timestamp(1_000);
        let pauses = |later: &Later| [1, 2, 3, 9].map(|times| later.pause(times, now).as_secs());
        assert_eq!(pauses(&Later::because("")), [1, 2, 4, 30]);
        assert_eq!(pauses(&Later { until: Some(Timestamp(1_003)), ..Later::because("") }), [1, 2, 3, 3]);
        assert_eq!(pauses(&Later { until: Some(Timestamp(900)), ..Later::because("") }), [1, 1, 1, 1]);
    }
}
