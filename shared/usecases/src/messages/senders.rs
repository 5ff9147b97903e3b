//! The senders, in the order of the settings: the next one is tried only if the one before certainly sent nothing.

use std::sync::Arc;

use twostep_crypto::{
    KeyRing,
    standard_webhooks::{Receiver, SigningSecret},
};
use twostep_domain::{sender::SenderKind, settings::Settings, time::Clock};
use twostep_runtime::{
    Deadline,
    secrets::{SecretError, Secrets},
};
use twostep_senders::{
    Fault, Message, Outcome,
    clickatell::{Account, CachedAccount, Client},
    outbound::Outbound,
    webhook,
};
use twostep_stores::Tables;

use super::provider::{OpenError, account, clickatell, outbound};
use crate::warm_up;

pub(crate) struct Senders {
    clock: Arc<dyn Clock>,
    clickatell: Client,
    pub(crate) account: CachedAccount,
    outbound: Outbound,
}

/// What sending takes, read before a message is handed over.
pub(crate) struct Ready {
    settings: Arc<Settings>,
    ring: Arc<KeyRing>,
    /// `None` if no key was pasted, or it can't be used.
    account: Option<Arc<Account>>,
}

/// What became of a message.
pub(crate) struct Sent {
    /// Who was asked last.
    pub by: SenderKind,
    pub outcome: Outcome,
    /// Who refused it before.
    pub refused_by: Vec<SenderKind>,
}

impl Senders {
    /// What a try with another key or another sender takes at most.
    const ANOTHER: std::time::Duration = std::time::Duration::from_secs(11);

    pub(crate) fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, OpenError> {
        Ok(Self {
            clock: tables.clock(),
            clickatell: clickatell(tables)?,
            account: account(secrets)?,
            outbound: outbound(tables)?,
        })
    }

    pub(crate) async fn warm_up(&self) {
        warm_up::secret(&self.account).await;
    }

    /// Reads what the senders of `settings` need.
    ///
    /// # Errors
    /// [`SecretError::Unavailable`]
    pub(crate) async fn ready(&self, settings: Arc<Settings>, ring: Arc<KeyRing>) -> Result<Ready, SecretError> {
        let account = if settings.sender.order.contains(&SenderKind::Clickatell) {
            match self.account.get().await {
                Ok(account) => Some(account),
                Err(error @ SecretError::Unavailable(_)) => return Err(error),
                Err(error @ (SecretError::Missing | SecretError::Malformed(_))) => {
                    tracing::error!(%error, "there is no Clickatell account to send with");
                    None
                }
            }
        } else {
            None
        };
        Ok(Ready { settings, ring, account })
    }

    /// Hands a message over, once to each sender at most. One that may have taken it is the last.
    pub(crate) async fn send(&self, ready: &Ready, message: &Message<'_>, deadline: Deadline) -> Sent {
        let mut refused_by = Vec::new();
        let mut waits = None;
        let mut last = None;
        for &by in &ready.settings.sender.order {
            if last.is_some() && !deadline.leaves(Self::ANOTHER) {
                // The next sender has its turn when the message is tried again.
                waits.get_or_insert((by, Outcome::Later { reason: "no_time_left" }));
                break;
            }
            let outcome = match by {
                SenderKind::Clickatell => self.by_clickatell(ready, message, deadline).await,
                SenderKind::Webhook => self.by_webhook(ready, message).await,
            };
            if !outcome.allows_another_sender() {
                return Sent { by, outcome, refused_by };
            }
            tracing::warn!(sender = <&str>::from(by), ?outcome, "a sender did not take a message");
            if matches!(outcome, Outcome::Later { .. }) {
                waits = Some((by, outcome.clone()));
            } else {
                refused_by.push(by);
            }
            last = Some((by, outcome));
        }
        let none = (SenderKind::Clickatell, Outcome::Refused { code: "none".into(), fault: Fault::Account });
        // While one of them may take it later, it is not refused.
        let (by, outcome) = waits.or(last).unwrap_or(none);
        refused_by.retain(|refused| *refused != by);
        Sent { by, outcome, refused_by }
    }

    async fn by_webhook(&self, ready: &Ready, message: &Message<'_>) -> Outcome {
        let Some(hook) = &ready.settings.sender.webhook else {
            return Outcome::Refused { code: "none".into(), fault: Fault::Account };
        };
        let secret = SigningSecret::of(&ready.ring.pepper, Receiver::Sender { id: &hook.id });
        webhook::send(&self.outbound, &hook.url, &secret, message, self.clock.now()).await
    }

    async fn by_clickatell(&self, ready: &Ready, message: &Message<'_>, deadline: Deadline) -> Outcome {
        let Some(account) = &ready.account else {
            return Outcome::Refused { code: "key".into(), fault: Fault::Key };
        };
        let outcome = self.clickatell.send(account, message).await;
        if !outcome.is_of_the_settings() {
            return outcome;
        }
        self.with_another_account(account, message, outcome, deadline).await
    }

    /// A refused key, API or sender sends nothing, so another may be tried at once: a newer one that was saved since, else
    /// the previous key, which serves until the present one works.
    async fn with_another_account(
        &self,
        refused: &Account,
        message: &Message<'_>,
        mut outcome: Outcome,
        deadline: Deadline,
    ) -> Outcome {
        tracing::error!("Clickatell refuses the present key, API or sender");
        let newer = self.account.refetch().await.ok().filter(|newer| !newer.same(refused));
        if let Some(newer) = newer.filter(|_| deadline.leaves(Self::ANOTHER)) {
            outcome = self.clickatell.send(&newer, message).await;
        }
        if !outcome.is_bad_key() {
            return outcome;
        }
        match self.account.previous().await {
            Ok(Some(previous)) if !previous.same_key(refused) && deadline.leaves(Self::ANOTHER) => {
                self.clickatell.send(&previous, message).await
            }
            _ => outcome,
        }
    }
}
