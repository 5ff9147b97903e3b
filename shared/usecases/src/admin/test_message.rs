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
    entropy,
    secrets::{Keys, Secrets},
};
use twostep_senders::clickatell::{CachedAccount, Client, FailureCode, Message, Outcome};
use twostep_stores::{CachedSettings, TableError, Tables};

use super::trail::Trail;
use crate::{
    caller::Caller,
    messages::{
        MessageIntent, Reservation, ReserveError, Spending,
        provider::{OpenError, account, clickatell},
    },
    outage::{Outage, from_outage},
};

pub struct SendTestMessage {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    settings: Arc<CachedSettings>,
    spending: Spending,
    account: CachedAccount,
    clickatell: Client,
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
    /// # Errors
    /// [`OpenError`]
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, OpenError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            settings: tables.settings()?,
            spending: Spending::open(tables)?,
            account: account(secrets)?,
            clickatell: clickatell(tables)?,
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
        if settings.clickatell.key_hint.is_none() {
            return Err(TestMessageError::NoKey);
        }
        let account = self.account.refetch().await?;
        let site = settings.site().map_err(|_| TableError::Malformed { table: "settings" })?;
        let content = message_texts::test_message(&site, caller.language);
        let reference = random::identifier(&mut entropy::system());
        let message = Message { to: phone, content: &content, client_message_id: &reference };
        let reservation = self.reserve(&settings, phone).await?;
        let outcome = self.clickatell.send(&account, &message).await;
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
