//! Send what was saved. The stream of the `codes` table brings each message here once or more; it is sent at most once.

use std::{collections::HashMap, sync::Arc};

use tokio::task::JoinSet;
use twostep_crypto::{KeyRing, sealing::UnsealError};
use twostep_domain::{
    challenge::{Challenge, Delivery, DeliveryFailure, Payload, Purpose, PurposeName},
    country::Country,
    ids::ChallengeKey,
    message_texts,
    phone::PhoneNumber,
    settings::Settings,
    spending::MessageEvent,
    time::Clock,
};
use twostep_runtime::{
    metrics::{Dimension, Metric, Name},
    secrets::{Keys, SecretError, Secrets},
};
use twostep_senders::clickatell::{Account, CachedAccount, Client, Fault, Message, Outcome};
use twostep_stores::{
    CachedSettings, ChallengeStore, SentMessageStore, TableError, Tables, sent_messages::SentMessage,
};

use super::{
    provider::{OpenError, clickatell},
    reservation::{MessageIntent, Reservation, ReserveError, Spending},
};
use crate::warm_up;

pub struct SendMessages {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    challenges: ChallengeStore,
    sent_messages: SentMessageStore,
    clickatell: Client,
    account: CachedAccount,
    settings: Arc<CachedSettings>,
    spending: Spending,
}

/// One record of the stream.
pub struct Record {
    /// What the event source calls the record, to report it as failed.
    pub sequence_number: Option<String>,
    /// The challenge as it was saved; `None` if the record is not a challenge.
    pub challenge: Option<Challenge>,
}

/// How sending a message ended.
enum Outgoing {
    Sent,
    /// Perhaps sent, and charged.
    Unknown,
    Failed(DeliveryFailure),
}

/// Why a message could not be brought to an end now. Nothing was sent.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("the provider asked to retry later: {0}")]
    Later(&'static str),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Unseal(#[from] UnsealError),
}

impl SendMessages {
    /// # Errors
    /// [`OpenError`]
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, OpenError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            challenges: tables.challenges()?,
            sent_messages: tables.sent_messages()?,
            clickatell: clickatell(tables)?,
            account: secrets.open("CLICKATELL_SECRET", Account::parse)?,
            settings: tables.settings()?,
            spending: Spending::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        // Messages go out in parallel, so a second connection to DynamoDB is of use.
        tokio::join!(
            warm_up::secret(&self.keys),
            warm_up::secret(&self.account),
            warm_up::settings(&self.settings),
            self.challenges.open_connection()
        );
    }

    /// Sends what the records ask for, all challenges in parallel. Gives the sequence numbers of the records that must come
    /// again.
    pub async fn send(&'static self, records: Vec<Record>) -> Vec<Option<String>> {
        // Of one challenge only the newest record counts: it carries the number of the newest message.
        let mut newest: HashMap<ChallengeKey, (Challenge, Option<String>)> = HashMap::new();
        let mut failed = Vec::new();
        for Record { sequence_number, challenge } in records {
            if let Some(challenge) = challenge {
                newest.insert(challenge.key.clone(), (challenge, sequence_number));
            } else {
                tracing::error!("a record is not a challenge");
                failed.push(sequence_number);
            }
        }
        let mut sends = JoinSet::new();
        for (challenge, sequence_number) in newest.into_values() {
            sends.spawn(async move {
                let error = self.send_one(challenge).await.err()?;
                tracing::warn!(%error, "a message is left for later");
                Some(sequence_number)
            });
        }
        // A task that panicked has claimed its message, which reads `unknown` from then on; the others go on.
        while let Some(sent) = sends.join_next().await {
            failed.extend(sent.ok().flatten());
        }
        failed
    }

    /// Claims the message, sends it once, and saves the outcome. The claim is a compare-and-swap from the record's own
    /// image, so it costs no read, and only one of two that see the record sends.
    async fn send_one(&self, challenge: Challenge) -> Result<(), SendError> {
        let number = challenge.send_number;
        let claim = |current: &Challenge| current.claim_send(number, self.clock.now());
        let Some(claimed) = self.challenges.advance(challenge, claim).await? else { return Ok(()) };

        let outgoing = self.deliver(&claimed).await;
        let now = self.clock.now();
        let record = |current: &Challenge| match &outgoing {
            Ok(Outgoing::Sent) => current.record_delivery(number, Delivery::Sent, now),
            Ok(Outgoing::Unknown) => current.record_delivery(number, Delivery::Unknown, now),
            Ok(Outgoing::Failed(failure)) => current.record_failure(number, *failure, now),
            Err(_) => current.record_delivery(number, Delivery::Deferred, now),
        };
        self.challenges.advance(claimed, record).await?;
        outgoing.map(|_| ())
    }

    /// Reserves the message, hands it to the provider, and ends the reservation if it was certainly not sent.
    async fn deliver(&self, claimed: &Challenge) -> Result<Outgoing, SendError> {
        let ring: Arc<KeyRing> = self.keys.get().await?;
        let (account, settings) = (self.account.get().await?, self.settings.get().await?);
        let site = settings.site().map_err(|_| TableError::Malformed { table: "settings" })?;
        let payload: Payload = ring.open(claimed.key.as_str(), &claimed.sealed, self.clock.now())?;
        let purpose = payload.purpose.name();
        // The event source lets only messages to numbers through.
        let Some(phone) = payload.to.phone() else { return Ok(Outgoing::Failed(DeliveryFailure::NotAllowed)) };
        let is_notice = matches!(payload.purpose, Purpose::Notice { .. });
        if !settings.two_step_enabled && !is_notice {
            return Ok(Outgoing::Failed(DeliveryFailure::NotAllowed));
        }
        let trust = payload.phone_trust(self.clock.now());
        let intent = MessageIntent { phone, purpose, trust, settings: &settings, pepper: &ring.pepper };
        if claimed.decoy {
            // What else changes is the same as for a message, and none is sent.
            self.spending.reserve_decoy(&intent).await?;
            return Ok(Outgoing::Sent);
        }
        let reservation = match self.spending.reserve(&intent).await {
            Ok(reservation) => reservation,
            Err(ReserveError::Refused(failure)) => {
                tracing::warn!(reason = failure.as_str(), "a message was not sent");
                return Ok(self.failed(phone, failure).await);
            }
            Err(ReserveError::Table(error)) => return Err(error.into()),
        };
        let content = if is_notice {
            message_texts::phone_changed_message(&site, payload.language)
        } else {
            message_texts::code_message(&site, payload.language, &payload.code)
        };
        let reference = SentMessage::reference(claimed);
        let message = Message { to: phone, content: &content, client_message_id: &reference };
        let outcome = self.hand_over(&account, &message).await;
        self.settle(claimed, phone, purpose, reservation, outcome, &settings).await
    }

    /// Records what the provider did with a message.
    async fn settle(
        &self,
        claimed: &Challenge,
        phone: &PhoneNumber,
        purpose: PurposeName,
        reservation: Reservation,
        outcome: Outcome,
        settings: &Settings,
    ) -> Result<Outgoing, SendError> {
        if matches!(outcome, Outcome::Accepted { .. } | Outcome::Unknown { .. }) {
            self.spending.watch(&reservation, settings).await;
        }
        match outcome {
            Outcome::Accepted { message_id } => {
                let (country, now) = (reservation.country(), self.clock.now());
                Metric::count(Name::SmsAccepted).emit(now);
                Metric::count(Name::SmsAcceptedByCountry).by(Dimension::Country, country.as_str()).emit(now);
                self.remember(claimed, &message_id, country).await;
                Ok(Outgoing::Sent)
            }
            Outcome::Refused { code, fault } => {
                self.spending.forfeit(reservation, purpose).await;
                let failure = match fault {
                    Fault::Recipient => {
                        tracing::warn!(code, "the provider refused a number");
                        DeliveryFailure::NumberRefused
                    }
                    Fault::Account => {
                        tracing::error!(code, "the provider refuses this account: check key, balance and sender");
                        DeliveryFailure::AccountRefused
                    }
                };
                Ok(self.failed(phone, failure).await)
            }
            Outcome::Unknown { reason } => {
                tracing::warn!(reason, "the provider did not say whether it sent a message");
                Metric::count(Name::SmsUnknown).emit(self.clock.now());
                Ok(Outgoing::Unknown)
            }
            Outcome::Later { reason } => {
                Metric::count(Name::SmsDeferred).emit(self.clock.now());
                self.spending.release(reservation).await;
                Err(SendError::Later(reason))
            }
        }
    }

    async fn failed(&self, phone: &PhoneNumber, failure: DeliveryFailure) -> Outgoing {
        let now = self.clock.now();
        Metric::count(Name::SmsFailed).by(Dimension::Reason, failure.as_str()).emit(now);
        if let Some(country) = Country::of_mobile(phone)
            && let Err(error) = self.spending.counters.count(country, None, MessageEvent::Failed(failure), now).await
        {
            tracing::warn!(%error, "a failure was not counted");
        }
        Outgoing::Failed(failure)
    }

    async fn hand_over(&self, account: &Account, message: &Message<'_>) -> Outcome {
        let outcome = self.clickatell.send(account, message).await;
        if outcome.is_bad_key() { self.send_with_another_key(account, message, outcome).await } else { outcome }
    }

    /// A refused key sends nothing, so another may be tried at once: a newer one that was pasted since, else the previous
    /// one, which serves until the present one works.
    async fn send_with_another_key(&self, refused: &Account, message: &Message<'_>, mut outcome: Outcome) -> Outcome {
        tracing::error!("the provider refuses the present key");
        let newer = self.account.refetch().await.ok().filter(|newer| !newer.same_key(refused));
        if let Some(newer) = newer {
            outcome = self.clickatell.send(&newer, message).await;
        }
        if !outcome.is_bad_key() {
            return outcome;
        }
        match self.account.previous().await {
            Ok(Some(previous)) if !previous.same_key(refused) => self.clickatell.send(&previous, message).await,
            _ => outcome,
        }
    }

    /// Lets a delivery report find the challenge. Without it the message counts as sent, and no report is recorded.
    async fn remember(&self, claimed: &Challenge, message_id: &str, country: Country) {
        let message = SentMessage::new(message_id, claimed, country);
        if let Err(error) = self.sent_messages.save(&message).await {
            tracing::error!(%error, "a sent message could not be remembered");
        }
    }
}
