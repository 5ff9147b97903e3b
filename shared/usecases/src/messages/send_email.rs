//! Send the emails that were saved: the stream of the `codes` table brings each here once or more, and it is sent at most
//! once.

use std::{collections::HashMap, sync::Arc};

use rand::RngExt;
use tokio::task::JoinSet;
use twostep_crypto::{KeyRing, Pepper};
use twostep_domain::{
    challenge::{Challenge, Delivery, DeliveryFailure, Payload, Purpose, PurposeName},
    email::{EmailAddress, Sender},
    email_texts::{EmailContent, code_email, notice_email},
    ids::ChallengeKey,
    message_texts::Site,
    rate_limit::RateLimit,
    settings::Settings,
    time::{Clock, DAY, HOUR, Timestamp},
};
use twostep_runtime::{
    config::{self, ConfigError},
    entropy,
    event_source::Record,
    metrics::{Dimension, Metric, Name},
    secrets::{Keys, SecretError, Secrets},
};
use twostep_senders::ses::{Client, Fault, Outcome};
use twostep_stores::{
    CachedSettings, ChallengeStore, EmailBudgetStore, SlidingWindowStore, TableError, Tables, challenges::SavedMessage,
    email_budget::BudgetSpent, sliding_window::LimitError,
};

use crate::warm_up;

pub struct SendEmails {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    challenges: ChallengeStore,
    settings: Arc<CachedSettings>,
    budget: EmailBudgetStore,
    windows: SlidingWindowStore,
    ses: Client,
    /// `None` if email is off.
    from: Option<Sender>,
}

/// How sending an email ended.
enum Outgoing {
    Sent,
    /// Perhaps sent, and counted.
    Unknown,
    Failed(DeliveryFailure),
}

/// The entry of an email in the sliding window of its address.
struct Counted {
    id: String,
    at: Timestamp,
}

/// Why an email could not be brought to an end now. Nothing was sent.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("SES asked to retry later: {0}")]
    Later(&'static str),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl SendEmails {
    /// Stops callers from using the service to annoy an address: the challenges of each user have the same limits, but many
    /// users can name one address.
    const CODES_TO_AN_ADDRESS: [RateLimit; 2] =
        [RateLimit { most: 5, window: HOUR }, RateLimit { most: 10, window: DAY }];

    /// Notices follow changes by a signed-in user. The limit bounds what a changing hand costs; it is high enough that a
    /// thief cannot hide a change behind others that the owner does not see.
    const NOTICES_TO_AN_ADDRESS: [RateLimit; 1] = [RateLimit { most: 30, window: DAY }];

    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets, ses: Client) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            challenges: tables.challenges()?,
            settings: tables.settings()?,
            budget: tables.email_budget()?,
            windows: tables.sliding_windows()?,
            ses,
            from: config::email_from(tables.env())?,
        })
    }

    pub async fn warm_up(&self) {
        tokio::join!(warm_up::secret(&self.keys), warm_up::settings(&self.settings), self.challenges.open_connection());
    }

    /// Sends what the records ask for, all challenges in parallel. Gives the sequence numbers of the records that must come
    /// again.
    pub async fn send(&'static self, records: Vec<Record<SavedMessage>>) -> Vec<Option<String>> {
        // Of one challenge only the newest record counts: it carries the number of the newest message.
        let mut newest: HashMap<ChallengeKey, (u64, Option<String>)> = HashMap::new();
        let mut failed = Vec::new();
        for Record { sequence_number, entry } in records {
            match entry {
                Some(SavedMessage { challenge, send_number }) => {
                    newest.insert(challenge, (send_number, sequence_number));
                }
                None => self.unreadable("a record is not a challenge"),
            }
        }
        let mut sends = JoinSet::new();
        for (key, (send_number, sequence_number)) in newest {
            sends.spawn(async move {
                let error = self.send_one(&key, send_number).await.err()?;
                tracing::warn!(%error, "an email is left for later");
                Some(sequence_number)
            });
        }
        while let Some(sent) = sends.join_next().await {
            failed.extend(sent.ok().flatten());
        }
        failed
    }

    /// Saves the email as handed over, sends it once, and saves the outcome.
    async fn send_one(&self, key: &ChallengeKey, number: u64) -> Result<(), SendError> {
        let challenge = match self.challenges.find(key).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(()),
            Err(TableError::Malformed { .. }) => {
                self.unreadable("its challenge is malformed");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if !challenge.waits(number) {
            return Ok(());
        }
        if self.clock.now() >= challenge.expires_at {
            let too_late = DeliveryFailure::NotSentInTime;
            let refuse = |current: &Challenge| current.refuse(number, too_late, self.clock.now());
            if self.challenges.advance(challenge, refuse).await?.is_some() {
                self.failed(too_late);
            }
            return Ok(());
        }
        let attempt = entropy::system().random::<u64>();
        let hand_over = |current: &Challenge| current.hand_over(number, attempt, None, self.clock.now());
        let Some(claimed) = self.challenges.advance(challenge, hand_over).await? else { return Ok(()) };

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

    /// Counts the email, hands it to SES, and takes it back if it was certainly not sent.
    async fn deliver(&self, claimed: &Challenge) -> Result<Outgoing, SendError> {
        let ring: Arc<KeyRing> = self.keys.get().await?;
        let settings = self.settings.get().await?;
        // What can never be sent must not come again: it would hold up the emails behind it.
        let Ok(site) = settings.site() else { return Ok(self.failed(DeliveryFailure::SiteNotSet)) };
        let payload = match ring.open::<Payload>(claimed.key.as_str(), &claimed.sealed, self.clock.now()) {
            Ok(payload) => payload,
            Err(error) => {
                tracing::error!(%error, "an email cannot be opened");
                return Ok(self.failed(DeliveryFailure::Unreadable));
            }
        };
        let (Some(to), Some(from)) = (payload.to.email(), &self.from) else {
            return Ok(self.failed(DeliveryFailure::NotAllowed));
        };
        let counted = match self.count_address(&ring.pepper, payload.purpose.name(), to).await? {
            Ok(counted) => counted,
            Err(failure) => return Ok(self.failed(failure)),
        };
        if claimed.decoy {
            // What else changes is the same as for an email, and none is sent or charged.
            return Ok(Outgoing::Sent);
        }
        let now = self.clock.now();
        if let Err(BudgetSpent) = self.budget.reserve(budget_of(&payload.purpose, &settings), now).await? {
            tracing::error!("the hourly budget of emails is spent");
            return Ok(self.failed(DeliveryFailure::BudgetSpent));
        }
        let outcome = self.ses.send(from, to, &content(&site, &payload)).await;
        if matches!(outcome, Outcome::Refused { .. } | Outcome::Later { .. }) {
            self.budget.release(now).await?;
        }
        // It comes again, and counts once. One that was refused stays counted, as a decoy does.
        if matches!(outcome, Outcome::Later { .. }) {
            self.windows.release(&counted.id, SlidingWindowStore::LIST, counted.at).await?;
        }
        self.settle(outcome)
    }

    /// Records what SES did with an email.
    fn settle(&self, outcome: Outcome) -> Result<Outgoing, SendError> {
        let now = self.clock.now();
        match outcome {
            Outcome::Accepted { .. } => {
                Metric::count(Name::EmailsAccepted).emit(now);
                Ok(Outgoing::Sent)
            }
            Outcome::Refused { code, fault: Fault::Recipient } => {
                tracing::warn!(code, "SES refused an address");
                Ok(self.failed(DeliveryFailure::NumberRefused))
            }
            Outcome::Refused { code, .. } => {
                tracing::error!(code, "SES refuses this account: check permissions, identity, sandbox and quota");
                Ok(self.failed(DeliveryFailure::AccountRefused))
            }
            Outcome::Unknown { reason } => {
                tracing::warn!(reason, "SES did not say whether it sent an email");
                Metric::count(Name::EmailsUnknown).emit(now);
                Ok(Outgoing::Unknown)
            }
            Outcome::Later { reason } => {
                Metric::count(Name::EmailsDeferred).emit(now);
                Err(SendError::Later(reason))
            }
        }
    }

    /// Counts an email at its address, for its purpose. Decoys count like real ones.
    async fn count_address(
        &self,
        pepper: &Pepper,
        purpose: PurposeName,
        to: &EmailAddress,
    ) -> Result<Result<Counted, DeliveryFailure>, TableError> {
        let at = self.clock.now();
        let id = pepper.hide("quota|email", &format!("{}|{}", purpose.as_str(), to.normalised()));
        let limits = match purpose {
            PurposeName::Notice => &Self::NOTICES_TO_AN_ADDRESS[..],
            _ => &Self::CODES_TO_AN_ADDRESS[..],
        };
        match self.windows.reserve(&id, limits, at).await {
            Ok(_) => Ok(Ok(Counted { id, at })),
            Err(LimitError::Reached(_)) => Ok(Err(DeliveryFailure::TooManyCodes)),
            Err(LimitError::Table(error)) => Err(error),
        }
    }

    /// Counts an email that can never be sent, and of which nothing else is known.
    fn unreadable(&self, why: &'static str) {
        tracing::error!(why, "an email was dropped");
        self.failed(DeliveryFailure::Unreadable);
    }

    fn failed(&self, failure: DeliveryFailure) -> Outgoing {
        Metric::count(Name::EmailsFailed).by(Dimension::Reason, failure.as_str()).emit(self.clock.now());
        Outgoing::Failed(failure)
    }
}

/// Notices are counted and never refused: a spent budget must not hide a change from the owner.
fn budget_of(purpose: &Purpose, settings: &Settings) -> Option<u64> {
    (!matches!(purpose, Purpose::Notice { .. })).then_some(settings.email_per_hour)
}

fn content(site: &Site, payload: &Payload) -> EmailContent {
    match &payload.purpose {
        Purpose::Notice { about, .. } => notice_email(site, payload.language, *about),
        purpose => code_email(site, payload.language, purpose.name(), &payload.code),
    }
}
