//! Send a test email.

use std::sync::Arc;

use twostep_domain::{
    account::{Action, Operator},
    email::{EmailAddress, Sender},
    email_texts::test_email,
    time::Clock,
};
use twostep_runtime::config::{self, ConfigError};
use twostep_senders::ses::{Client, Failure, Outcome};
use twostep_stores::{CachedSettings, EmailBudgetStore, TableError, Tables};

use super::trail::Trail;
use crate::{
    caller::Caller,
    outage::{Outage, from_outage},
};

pub struct SendTestEmail {
    clock: Arc<dyn Clock>,
    settings: Arc<CachedSettings>,
    budget: EmailBudgetStore,
    ses: Client,
    from: Option<Sender>,
    trail: Trail,
}

#[derive(Debug, thiserror::Error)]
pub enum TestEmailError {
    #[error("no emails are sent")]
    EmailOff,
    #[error("the email was not sent: {0}")]
    Failed(Failure),
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(TestEmailError);

impl SendTestEmail {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, ses: Client) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            settings: tables.settings()?,
            budget: tables.email_budget()?,
            ses,
            from: config::email_from(tables.env())?,
            trail: Trail::open(tables)?,
        })
    }

    /// Sends a real email and gives SES's id of it. It counts like every other, and a spent budget does not refuse it.
    ///
    /// # Errors
    /// [`TestEmailError`]
    pub async fn send(&self, who: &Operator, caller: &Caller, email: &EmailAddress) -> Result<String, TestEmailError> {
        let from = self.from.as_ref().ok_or(TestEmailError::EmailOff)?;
        let settings = self.settings.store().load().await?.settings;
        let site = settings.site().map_err(|_| TableError::Malformed { table: "settings" })?;
        let _never_refused = self.budget.reserve(None, self.clock.now()).await?;
        let outcome = self.ses.send(from, email, &test_email(&site, caller.language)).await;
        self.trail.note(self.trail.entry(who, Action::TestEmailSent)).await;
        match (outcome.failure(), outcome) {
            (None, Outcome::Accepted { message_id }) => Ok(message_id),
            (Some(failure), _) => Err(TestEmailError::Failed(failure)),
            (None, _) => Err(TestEmailError::Outage(Outage::Provider)),
        }
    }
}
