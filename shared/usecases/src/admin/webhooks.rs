//! The operator's webhooks: add, remove, try, and see what was delivered.

use std::sync::Arc;

use twostep_crypto::standard_webhooks::{Receiver, SigningSecret};
use twostep_domain::{
    account::{Action, Activity, Event, Operator},
    ids::UserId,
    target::{InvalidTarget, Reach, TargetUrl},
    time::Clock,
    webhook::{EventDelivery, EventType, Webhook},
};
use twostep_runtime::{
    Queue, Startup, entropy,
    secrets::{Keys, Secrets},
};
use twostep_stores::{EventDeliveryStore, TableError, Tables, webhooks::WebhookStore};

use super::trail::Trail;
use crate::{
    audit::{Page, moment},
    events::{
        deliver::{Describe, WebhookClient, outcome},
        publish::QueuedLane,
    },
    messages::provider::{OpenError, reach},
    outage::{Outage, from_outage},
};

pub struct ManageWebhooks {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    store: WebhookStore,
    deliveries: EventDeliveryStore,
    queue: Queue,
    client: WebhookClient,
    reach: Reach,
    trail: Trail,
}

/// A webhook with the secret that only this response shows.
pub struct WithSecret {
    pub webhook: Webhook,
    pub secret: SigningSecret,
}

/// What a try gave.
pub struct Tried {
    pub response_status: Option<u16>,
    pub reason: Option<&'static str>,
}

#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("there is no such webhook or delivery")]
    Unknown,
    /// The value is not possible for this field.
    #[error("{0} is not valid")]
    Invalid(&'static str),
    #[error("there are as many webhooks as there can be")]
    TooMany,
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(WebhookError);

impl ManageWebhooks {
    const MOST: usize = 10;

    /// # Errors
    /// [`OpenError`]
    pub fn open(startup: &Startup, tables: &Tables, secrets: &Secrets, describe: Describe) -> Result<Self, OpenError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            store: tables.webhooks()?,
            deliveries: tables.event_deliveries()?,
            queue: Queue::open(startup, "EVENTS_QUEUE")?,
            client: WebhookClient::open(tables, secrets, describe)?,
            reach: reach(tables)?,
            trail: Trail::open(tables)?,
        })
    }

    /// All webhooks, the oldest first.
    ///
    /// # Errors
    /// [`Outage`]
    pub async fn list(&self) -> Result<Vec<Webhook>, Outage> {
        Ok(self.store.load().await?.webhooks)
    }

    /// Adds a webhook. Events of the next half minute may miss it.
    ///
    /// # Errors
    /// [`WebhookError::Invalid`], [`WebhookError::TooMany`]
    pub async fn add(
        &self,
        who: &Operator,
        url: &str,
        events: Option<Vec<EventType>>,
    ) -> Result<WithSecret, WebhookError> {
        let url = TargetUrl::parse(url, self.reach).map_err(|InvalidTarget| WebhookError::Invalid("url"))?;
        let webhook = Webhook::new(url, events, self.clock.now(), &mut entropy::system());
        let added = self.store.change(|registry| {
            if registry.webhooks.len() >= Self::MOST {
                return Err(WebhookError::TooMany);
            }
            registry.webhooks.push(webhook.clone());
            Ok(())
        });
        added.await?;
        self.note(who, Action::WebhookCreated, &webhook.id).await;
        let secret = SigningSecret::of(&self.keys.get().await?.pepper, Receiver::Webhook { id: &webhook.id });
        Ok(WithSecret { webhook, secret })
    }

    /// Removes a webhook. What waits for it is given up.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`]
    pub async fn remove(&self, who: &Operator, id: &str) -> Result<(), WebhookError> {
        let removed = self.store.change(|registry| {
            let before = registry.webhooks.len();
            registry.webhooks.retain(|webhook| webhook.id != id);
            if registry.webhooks.len() < before { Ok(()) } else { Err(WebhookError::Unknown) }
        });
        removed.await?;
        self.note(who, Action::WebhookRemoved, id).await;
        Ok(())
    }

    /// Sends an event of the type `webhook.test` now.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`]
    pub async fn test(&self, who: &Operator, id: &str) -> Result<Tried, WebhookError> {
        let webhook = self.find(id).await?;
        let moment = moment(&*self.clock);
        // Of the entry, the event shows the time alone.
        let entry = Activity::new(UserId::from_stored("test"), Event::SignedIn, self.clock.now(), &moment);
        let message = format!("evt_{}", entry.id);
        let reply = self.client.call(&webhook, &message, EventType::Test, &entry, None).await;
        let (response_status, reason) = outcome(&reply.map_err(WebhookError::Outage)?);
        self.note(who, Action::WebhookTested, id).await;
        Ok(Tried { response_status, reason })
    }

    /// What was delivered to a webhook, the newest first.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`]
    pub async fn deliveries(&self, id: &str, after: Option<&str>) -> Result<Page<EventDelivery>, WebhookError> {
        let webhook = self.find(id).await?;
        let entries = self.deliveries.of_webhook(&webhook.id, after, Page::<EventDelivery>::READ).await?;
        Ok(Page::of(entries, |delivery| delivery.id.clone()))
    }

    /// Delivers an event once more.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`]
    pub async fn repeat(&self, who: &Operator, id: &str, delivery: &str) -> Result<(), WebhookError> {
        let webhook = self.find(id).await?;
        let found = self.deliveries.find(&webhook.id, delivery).await?.ok_or(WebhookError::Unknown)?;
        let again = found.again(self.clock.now());
        self.deliveries.save(&again).await?;
        let refused = self.queue.put_all(&[QueuedLane { lane: again.lane }.write()]).await;
        if !refused.is_empty() {
            return Err(TableError::Unavailable("the queue did not take an entry".to_owned()).into());
        }
        self.note(who, Action::DeliveryRepeated, id).await;
        Ok(())
    }

    async fn find(&self, id: &str) -> Result<Webhook, WebhookError> {
        self.store.load().await?.get(id).cloned().ok_or(WebhookError::Unknown)
    }

    async fn note(&self, who: &Operator, action: Action, id: &str) {
        self.trail.note(self.trail.entry(who, action).about([id])).await;
    }
}
