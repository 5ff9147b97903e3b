//! Send a test message.

use std::{sync::Arc, time::Duration};

use twostep_domain::{
    account::{Action, Operator, PhoneTrust},
    challenge::{DeliveryFailure, PurposeName},
    country::PhoneNotAllowed,
    message_texts,
    phone::PhoneNumber,
    random,
    settings::Settings,
    spending::Period,
    time::Clock,
};
use twostep_runtime::{
    Deadline, entropy,
    secrets::{Keys, Secrets},
};
use twostep_senders::{FailureCode, Message, Outcome};
use twostep_stores::{CachedSettings, TableError, Tables};

use super::trail::Trail;
use crate::{
    caller::Caller,
    messages::{MessageIntent, Reservation, ReserveError, Spending, provider::OpenError, senders::Senders},
    outage::{Outage, from_outage},
};

pub struct SendTestMessage {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    settings: Arc<CachedSettings>,
    spending: Spending,
    senders: Senders,
    trail: Trail,
}

#[derive(Debug, thiserror::Error)]
pub enum TestMessageError {
    #[error("this number is not served")]
    PhoneNotAllowed,
    /// No key was pasted yet.
    #[error("no messages are sent")]
    NoKey,
    #[error("a budget is spent")]
    BudgetSpent { wait: Duration },
    #[error("the message was not sent: {0}")]
    Failed(FailureCode),
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(TestMessageError);

impl SendTestMessage {
    /// What sending takes at most, all senders together.
    const LONGEST: Duration = Duration::from_secs(18);

    /// # Errors
    /// [`OpenError`]
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, OpenError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            settings: tables.settings()?,
            spending: Spending::open(tables)?,
            senders: Senders::open(tables, secrets)?,
            trail: Trail::open(tables)?,
        })
    }

    /// Sends a real message and gives the provider's id of it. It costs what every message costs, and counts like one.
    ///
    /// # Errors
    /// [`TestMessageError`]
    pub async fn send(&self, who: &Operator, caller: &Caller, phone: &PhoneNumber) -> Result<String, TestMessageError> {
        let settings = self.settings.store().load().await?.settings;
        settings.allowed_countries.check(phone).map_err(|PhoneNotAllowed| TestMessageError::PhoneNotAllowed)?;
        if !settings.has_sender() {
            return Err(TestMessageError::NoKey);
        }
        let settings = Arc::new(settings);
        // A key that was saved a moment ago is the one to test.
        let _stale = self.senders.account.refetch().await;
        let ready = self.senders.ready(Arc::clone(&settings), self.keys.get().await?).await?;
        let site = settings.site().map_err(|_| TableError::Malformed { table: "settings" })?;
        let content = message_texts::test_message(&site, caller.language);
        let reference = random::identifier(&mut entropy::system());
        let message = Message { to: phone, content: &content, reference: &reference };
        let reservation = self.reserve(&settings, phone).await?;
        let outcome = self.senders.send(&ready, &message, Deadline::after(Self::LONGEST)).await.outcome;
        if matches!(outcome, Outcome::Refused { .. } | Outcome::Later { .. }) {
            self.spending.release(reservation).await;
        }
        self.trail.note(self.trail.entry(who, Action::TestSmsSent)).await;
        match (outcome.failure(), outcome) {
            (None, Outcome::Accepted { message_id }) => Ok(message_id),
            (Some(code), _) => Err(TestMessageError::Failed(code)),
            (None, _) => Err(TestMessageError::Outage(Outage::Provider)),
        }
    }

    async fn reserve(&self, settings: &Settings, phone: &PhoneNumber) -> Result<Reservation, TestMessageError> {
        let ring = self.keys.get().await?;
        let (purpose, trust) = (PurposeName::Notice, PhoneTrust::Established);
        let intent = MessageIntent {
            phone,
            purpose,
            trust,
            settings,
            pepper: &ring.pepper,
            messages_before: 0,
            asked: None,
            weighed: true,
        };
        self.spending.reserve(&intent).await.map_err(|error| match error {
            ReserveError::Table(error) => error.into(),
            ReserveError::Refused(DeliveryFailure::BudgetSpent) => {
                let now = self.clock.now();
                TestMessageError::BudgetSpent { wait: now.until(Period::Hour.end(now)) }
            }
            ReserveError::Refused(failure) => TestMessageError::Failed(FailureCode::Ours(failure)),
        })
    }
}
