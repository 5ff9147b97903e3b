//! Sending what was saved: the stream of `codes` brings each message here once or more, and it is sent at most once.

use std::{collections::HashMap, sync::Arc};

use aws_lambda_events::{
    dynamodb::{Event, EventRecord},
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use lambda_runtime::{LambdaEvent, service_fn};
use tokio::task::JoinSet;

use crate::{
    aws,
    challenge::{Challenge, ChallengeStore, Delivery, Payload, Purpose, payload::UnsealError, store::SentMessage},
    clickatell::{Account, CachedAccount, Client, Fault, Message, Outcome},
    clock::{Clock, SystemClock},
    config,
    keys::{KeyRing, Keys},
    metrics::{self, Metric},
    phone::{AllowedCountries, Country, PhoneNumber},
    secrets::SecretError,
    settings::CachedSettings,
    sms,
    spending::{Failure, Intent, ReserveError, Spending, tally::Fact},
    table::TableError,
    telemetry,
};

pub type Error = lambda_runtime::Error;

/// Serves batches of the stream for as long as the function lives.
///
/// # Errors
/// When the Lambda runtime itself fails.
pub async fn run(outbox: &'static Outbox) -> Result<(), Error> {
    let deliver = |batch: LambdaEvent<Event>| async { Ok::<_, Error>(outbox.deliver(batch.payload).await) };
    lambda_runtime::run(service_fn(deliver)).await
}

/// Everything `send-sms` needs.
pub struct Outbox {
    clock: Arc<dyn Clock>,
    keys: Keys,
    challenges: ChallengeStore,
    clickatell: Client,
    account: CachedAccount,
    settings: CachedSettings,
    spending: Spending,
}

/// How the sending of a message ended.
enum Fate {
    Sent,
    /// Perhaps sent, and paid for.
    Unknown,
    Failed(Failure),
}

/// Why a message could not be brought to an end now. Nothing was sent.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("the provider asked to retry later: {0}")]
    Later(&'static str),
    #[error("the record is not a challenge")]
    Malformed,
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Unseal(#[from] UnsealError),
}

impl Outbox {
    /// Reads the environment, starts logging and connects.
    ///
    /// # Errors
    /// When the environment is incomplete; the error names the variable.
    pub async fn init() -> Result<&'static Self, Error> {
        telemetry::init(config::log_level()?);
        let aws = aws::sdk_config().await;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let secrets = aws_sdk_secretsmanager::Client::new(&aws);
        let tables = aws_sdk_dynamodb::Client::new(&aws);
        let (keys, account) = (config::required("KEYS_SECRET")?, config::required("CLICKATELL_SECRET")?);
        let outbox = Self {
            keys: Keys::new(secrets.clone(), keys, Arc::clone(&clock), KeyRing::parse),
            challenges: ChallengeStore::new(tables.clone(), config::required("CODES_TABLE")?),
            clickatell: Client::new(config::clickatell_url()?)?,
            account: CachedAccount::new(secrets, account, Arc::clone(&clock), Account::parse),
            settings: config::settings(&tables, &clock)?,
            spending: config::spending(&tables, &clock)?,
            clock,
        };
        let (keys, account, ()) =
            tokio::join!(outbox.keys.get(), outbox.account.get(), outbox.challenges.open_connection());
        if let Some(error) = keys.err().or(account.err()) {
            tracing::error!(%error, "a secret could not be read at start");
        }
        Ok(Box::leak(Box::new(outbox)))
    }

    /// Sends what the records ask for, all challenges side by side. Records that must come again are reported as
    /// failures; the stream brings them again while their code lives.
    pub async fn deliver(&'static self, event: Event) -> DynamoDbEventResponse {
        // Of one challenge only the newest record counts: it carries the newest message's number.
        let mut newest: HashMap<String, EventRecord> = HashMap::new();
        for record in event.records {
            newest.insert(format!("{:?}", record.change.keys.get("id")), record);
        }
        let mut sends = JoinSet::new();
        for record in newest.into_values() {
            sends.spawn(async move {
                let error = self.deliver_one(&record).await.err()?;
                tracing::warn!(%error, "a message is left for later");
                let mut failure = DynamoDbBatchItemFailure::default();
                failure.item_identifier = record.change.sequence_number;
                Some(failure)
            });
        }
        let mut response = DynamoDbEventResponse::default();
        response.batch_item_failures = sends.join_all().await.into_iter().flatten().collect();
        response
    }

    /// Claims the message, sends it once, and saves how that went. The claim is a compare-and-swap from the record's own
    /// image, so it costs no read, and of two that see the record only one sends.
    async fn deliver_one(&self, record: &EventRecord) -> Result<(), SendError> {
        let image = record.change.new_image.clone();
        let challenge: Challenge = serde_dynamo::from_item(image).map_err(|_| SendError::Malformed)?;
        let number = challenge.send_number;
        let claim = |current: &Challenge| current.claim_send(number, self.clock.now());
        let Some(claimed) = self.challenges.advance(challenge, claim).await? else { return Ok(()) };

        let fate = self.send(&claimed).await;
        let now = self.clock.now();
        let record = |current: &Challenge| match &fate {
            Ok(Fate::Sent) => current.record_delivery(number, Delivery::Sent, now),
            Ok(Fate::Unknown) => current.record_delivery(number, Delivery::Unknown, now),
            Ok(Fate::Failed(failure)) => current.record_failure(number, *failure, now),
            Err(_) => current.record_delivery(number, Delivery::Deferred, now),
        };
        self.challenges.advance(claimed, record).await?;
        fate.map(|_| ())
    }

    /// Reserves the message, hands it to the provider, and gives the reservation back if it was certainly not sent.
    async fn send(&self, claimed: &Challenge) -> Result<Fate, SendError> {
        let ring = self.keys.get().await?;
        let (account, settings) = (self.account.get().await?, self.settings.get().await?);
        let site = settings.site().map_err(|_| TableError::Malformed { table: "settings" })?;
        let payload: Payload = ring.open(claimed.key.as_str(), &claimed.sealed, self.clock.now())?;
        let (phone, purpose) = (&payload.phone, payload.purpose);
        let recipient = payload.recipient(self.clock.now());
        let intent = Intent { phone, purpose, recipient, settings: &settings, pepper: &ring.pepper };
        if !settings.two_step_enabled && purpose != Purpose::Notice {
            return Ok(Fate::Failed(Failure::NotAllowed));
        }
        if claimed.decoy {
            // Whoever watches what else changes sees no difference to a message, and none is sent.
            self.spending.pretend(&intent).await?;
            return Ok(Fate::Sent);
        }
        let reservation = match self.spending.reserve(&intent).await {
            Ok(reservation) => reservation,
            Err(ReserveError::Refused(failure)) => {
                tracing::warn!(reason = failure.as_str(), "a message was not sent");
                self.count_failure(phone, failure).await;
                return Ok(Fate::Failed(failure));
            }
            Err(ReserveError::Table(error)) => return Err(error.into()),
        };
        let content = match payload.purpose {
            Purpose::Notice => sms::phone_changed_message(&site, payload.language),
            _ => sms::code_message(&site, payload.language, &payload.code),
        };
        let client_message_id = SentMessage::reference(claimed);
        let message = Message { to: phone, content: &content, client_message_id: &client_message_id };
        let outcome = self.hand_over(&account, &message).await;
        if matches!(outcome, Outcome::Accepted { .. } | Outcome::Unknown { .. }) {
            self.spending.watch(&reservation, &settings).await;
        }
        match outcome {
            Outcome::Accepted { message_id } => {
                metrics::emit(Metric::SmsAccepted(reservation.country()), self.clock.now());
                self.remember(claimed, &message_id, reservation.country()).await;
                Ok(Fate::Sent)
            }
            Outcome::Refused { code, fault } => {
                self.spending.give_up(reservation, purpose).await;
                let failure = match fault {
                    Fault::Recipient => {
                        tracing::warn!(code, "the provider refused a number");
                        Failure::NumberRefused
                    }
                    Fault::Account => {
                        tracing::error!(code, "the provider refuses this account: check key, balance and sender");
                        Failure::AccountRefused
                    }
                };
                self.count_failure(phone, failure).await;
                Ok(Fate::Failed(failure))
            }
            Outcome::Unknown { reason } => {
                tracing::warn!(reason, "the provider did not say whether it sent a message");
                metrics::emit(Metric::SmsUnknown, self.clock.now());
                Ok(Fate::Unknown)
            }
            Outcome::Later { reason } => {
                metrics::emit(Metric::SmsDeferred, self.clock.now());
                self.spending.give_back(reservation).await;
                Err(SendError::Later(reason))
            }
        }
    }

    async fn count_failure(&self, phone: &PhoneNumber, failure: Failure) {
        metrics::emit(Metric::SmsFailed(failure), self.clock.now());
        let Ok(country) = AllowedCountries::All.check(phone) else { return };
        let fact = Fact::Failed(failure.as_str());
        if let Err(error) = self.spending.tallies.count(country, None, fact, self.clock.now()).await {
            tracing::warn!(%error, "a failure was not counted");
        }
    }

    async fn hand_over(&self, account: &Account, message: &Message<'_>) -> Outcome {
        let outcome = self.clickatell.send(account, message).await;
        if outcome.is_bad_key() { self.send_with_another_key(account, message, outcome).await } else { outcome }
    }

    /// A refused key sends nothing, so another may be tried at once: a newer one that was pasted since, else the one
    /// before, which serves until the present one does.
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

    /// So that a status report finds the challenge. Without it the message counts as sent and nothing more is heard.
    async fn remember(&self, claimed: &Challenge, message_id: &str, country: Country) {
        let message = SentMessage::new(message_id, claimed, country);
        if let Err(error) = self.challenges.remember_message(&message).await {
            tracing::error!(%error, "a sent message could not be remembered");
        }
    }
}
