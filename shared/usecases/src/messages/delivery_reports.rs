//! Record delivery reports.
//!
//! A report proves nothing: it can move the delivery state of a message that this service sent, forward, and nothing else.

use std::sync::Arc;

use twostep_crypto::opaque_token::OpaqueToken;
use twostep_domain::{
    challenge::{Challenge, Reported},
    sender::SenderKind,
    spending::MessageEvent,
    time::Clock,
};
use twostep_runtime::{
    config::ConfigError,
    metrics::{Dimension, Metric, Name},
    secrets::{Secrets, SharedToken},
};
use twostep_senders::clickatell::DeliveryReport;
use twostep_stores::{
    CachedSettings, ChallengeStore, SentMessageStore, TableError, Tables, sent_messages::SentMessage,
    spending::CounterStore,
};

use crate::{outage::Outage, warm_up};

pub struct RecordDeliveryReports {
    sent_messages: SentMessageStore,
    deliveries: Deliveries,
    /// Of Clickatell.
    token: SharedToken,
    /// They have the token of the hook.
    settings: Arc<CachedSettings>,
}

impl RecordDeliveryReports {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            sent_messages: tables.sent_messages()?,
            deliveries: Deliveries::open(tables)?,
            token: secrets.shared_token("CALLBACK_SECRET")?,
            settings: tables.settings()?,
        })
    }

    pub async fn warm_up(&self) {
        tokio::join!(
            self.token.warm_up(),
            warm_up::settings(&self.settings),
            self.deliveries.challenges.open_connection()
        );
    }

    /// Whose reports come to the address with this secret part. Each sender has its own, so none can report on another's
    /// messages.
    ///
    /// # Errors
    /// [`Outage`]: the sender should repeat the report.
    pub async fn reporter(&self, token: &str) -> Result<Option<SenderKind>, Outage> {
        let settings = self.settings.get().await?;
        let hook = settings.sender.webhook.as_ref().zip(OpaqueToken::parse(token));
        if hook.is_some_and(|(hook, token)| token.has_hash(&hook.report_token_hash)) {
            return Ok(Some(SenderKind::Webhook));
        }
        Ok(self.token.accepts(token).await?.then_some(SenderKind::Clickatell))
    }

    /// # Errors
    /// [`TableError`]: the sender should repeat the report.
    pub async fn record(&self, report: &DeliveryReport) -> Result<(), TableError> {
        let Some(reported) = report.delivery else { return Ok(()) };
        // Our own reference saves a read, and it is known before the message is remembered.
        let mut message = report.reference.as_deref().and_then(SentMessage::from_reference);
        if message.is_none() {
            message = self.sent_messages.find(&report.message_id).await?;
        }
        if message.is_none() && reported != Reported::Sent {
            message = self.sent_messages.keep(&report.message_id, reported, self.deliveries.clock.now()).await?;
        }
        let Some(message) = message else {
            tracing::info!("a delivery report for an unknown message was put aside");
            return Ok(());
        };
        self.deliveries.record(&message, reported).await
    }
}

/// Records how far messages got after the provider had accepted them.
pub(super) struct Deliveries {
    clock: Arc<dyn Clock>,
    challenges: ChallengeStore,
    counters: CounterStore,
}

impl Deliveries {
    pub(super) fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self { clock: tables.clock(), challenges: tables.challenges()?, counters: tables.counters()? })
    }

    pub(super) async fn record(&self, message: &SentMessage, reported: Reported) -> Result<(), TableError> {
        let Some(challenge) = self.challenges.find(&message.challenge).await? else { return Ok(()) };
        let (now, mut failed) = (self.clock.now(), None);
        let record = |current: &Challenge| {
            failed = current.failure;
            current.record_report(message.send_number, reported, now)
        };
        let Some(recorded) = self.challenges.advance(challenge, record).await? else { return Ok(()) };
        let event = match reported {
            Reported::Delivered => {
                let requested = recorded.sends.last().copied().unwrap_or(now);
                Metric::count(Name::SmsDelivered).emit(now);
                Metric::seconds(Name::DeliverySeconds, requested.until(now).as_secs()).emit(now);
                MessageEvent::Delivered { failed }
            }
            Reported::Failed(failure) => {
                Metric::count(Name::SmsFailed).by(Dimension::Reason, failure.as_str()).emit(now);
                MessageEvent::Failed(failure)
            }
            Reported::Sent => return Ok(()),
        };
        if let Some(country) = message.country.or(recorded.country)
            && let Err(error) = self.counters.count(country, event, now).await
        {
            tracing::warn!(%error, "a delivery report was not counted");
        }
        Ok(())
    }
}
