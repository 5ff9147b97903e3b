//! Deliver the events that wait in a lane, in their order. An event that isn't taken holds up its lane and no other.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use tokio::task::JoinSet;
use twostep_crypto::standard_webhooks::{Receiver, SigningSecret};
use twostep_domain::{
    account::{Activity, User},
    authentication_method::Method,
    time::{Clock, MINUTE, SECOND},
    webhook::{DeliveryState, EventDelivery, EventType, Lane, Webhook},
};
use twostep_runtime::{
    Deadline, Queue, Startup,
    metrics::{Metric, Name},
    secrets::{Keys, Secrets},
};
use twostep_senders::outbound::{NoReply, Outbound, Reply};
use twostep_stores::{EventDeliveryStore, Tables, UserStore, webhooks::WebhookStore};

use super::publish::QueuedLane;
use crate::{
    messages::provider::{OpenError, outbound},
    outage::Outage,
    warm_up,
};

pub struct DeliverEvents {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    users: UserStore,
    webhooks: WebhookStore,
    deliveries: EventDeliveryStore,
    queue: Queue,
    client: WebhookClient,
}

/// Calls webhooks. An operator's test uses it too.
pub(crate) struct WebhookClient {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    outbound: Outbound,
    /// How the API writes a user.
    describe: Describe,
}

/// How the API writes a user.
pub type Describe = fn(User) -> Value;

/// An entry of the queue, as it was received.
pub struct Received {
    /// What the event source calls the entry, to report it as failed.
    pub id: String,
    /// What the queue calls this receive of the entry.
    pub receipt: String,
    /// `None` if the entry names no lane.
    pub lane: Option<QueuedLane>,
}

impl DeliverEvents {
    /// What one call takes at most.
    const CALL: Duration = Duration::from_secs(11);
    /// Longer than an invocation.
    const LEASE: Duration = Duration::from_secs(60);
    /// How long a webhook that hangs is left alone.
    const PAUSE: Duration = MINUTE;

    /// # Errors
    /// [`OpenError`]
    pub fn open(startup: &Startup, tables: &Tables, secrets: &Secrets, describe: Describe) -> Result<Self, OpenError> {
        Self::with_queue(Queue::open(startup, "EVENTS_QUEUE")?, tables, secrets, describe)
    }

    /// # Errors
    /// [`OpenError`]
    pub fn with_queue(queue: Queue, tables: &Tables, secrets: &Secrets, describe: Describe) -> Result<Self, OpenError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            users: tables.users()?,
            webhooks: tables.webhooks()?,
            deliveries: tables.event_deliveries()?,
            queue,
            client: WebhookClient::open(tables, secrets, describe)?,
        })
    }

    pub async fn warm_up(&self) {
        warm_up::secret(&self.keys).await;
    }

    /// Delivers in the lanes that the entries name, all in parallel. Gives the ids of the entries that stay on the queue.
    pub async fn deliver(&'static self, batch: Vec<Received>, deadline: Deadline) -> Vec<String> {
        let mut left: BTreeSet<String> = batch.iter().map(|received| received.id.clone()).collect();
        let mut lanes = JoinSet::new();
        for received in batch {
            lanes.spawn(async move { self.take(&received, deadline).await.then_some(received.id) });
        }
        while let Some(done) = lanes.join_next().await {
            if let Ok(Some(id)) = done {
                left.remove(&id);
            }
        }
        left.into_iter().collect()
    }

    /// Takes one entry, and tells whether it is done with.
    async fn take(&self, received: &Received, deadline: Deadline) -> bool {
        let Some(QueuedLane { lane }) = &received.lane else {
            tracing::error!("an entry of the queue names no lane");
            return true;
        };
        let pause = match self.deliver_in(lane, deadline).await {
            Ok(None) => return true,
            Ok(Some(pause)) => pause,
            Err(error) => {
                tracing::warn!(%error, "an event waits");
                10 * SECOND
            }
        };
        if let Err(error) = self.queue.hide(&received.receipt, pause.max(SECOND)).await {
            tracing::warn!(%error, "an event waits for the queue's visibility timeout");
        }
        false
    }

    /// Delivers what waits in a lane. Gives the time after which to come back, if something is left.
    async fn deliver_in(&self, lane: &Lane, deadline: Deadline) -> Result<Option<Duration>, Outage> {
        let now = self.clock.now();
        if let Some(until) = self.deliveries.paused_until(lane.webhook()).await?.filter(|until| *until > now) {
            return Ok(Some(now.until(until)));
        }
        if !self.deliveries.lease(lane, now.plus(Self::LEASE), now).await? {
            // Another entry of this lane is at work, and may have looked before the latest event was added.
            return Ok(Some(2 * SECOND));
        }
        let delivered = Box::pin(self.deliver_leased(lane, deadline)).await;
        if let Err(error) = self.deliveries.release(lane).await {
            tracing::warn!(%error, "a lane waits until its lease ends");
        }
        delivered
    }

    async fn deliver_leased(&self, lane: &Lane, deadline: Deadline) -> Result<Option<Duration>, Outage> {
        let registry = self.webhooks.recent().await?;
        for delivery in self.deliveries.pending(lane).await? {
            let now = self.clock.now();
            if delivery.due_at > now {
                return Ok(Some(now.until(delivery.due_at)));
            }
            if !deadline.leaves(Self::CALL) {
                return Ok(Some(SECOND));
            }
            let next = match registry.get(lane.webhook()) {
                // It was removed.
                None => EventDelivery { state: DeliveryState::Failed, ..delivery },
                Some(webhook) => self.attempt(webhook, &delivery).await?,
            };
            self.deliveries.save(&next).await?;
            match next.state {
                DeliveryState::Delivered => Metric::count(Name::EventsDelivered).emit(now),
                DeliveryState::Failed => Metric::count(Name::EventsFailed).emit(now),
                DeliveryState::Pending => {
                    Metric::count(Name::EventsRefused).emit(now);
                    return Ok(Some(self.clock.now().until(next.due_at)));
                }
            }
        }
        Ok(None)
    }

    async fn attempt(&self, webhook: &Webhook, delivery: &EventDelivery) -> Result<EventDelivery, Outage> {
        let user = self.users.find_any(&delivery.entry.user).await?;
        let reply = self.client.call(webhook, &delivery.message_id(), delivery.event, &delivery.entry, user).await?;
        let now = self.clock.now();
        let (status, reason) = outcome(&reply);
        // What hangs would hold up the events of other users, which wait for the same invocations.
        if reply.is_err() || matches!(status, Some(429 | 503)) {
            let asked = reply.ok().and_then(|reply| reply.retry_after).map(Duration::from_secs);
            let pause = asked.unwrap_or(Self::PAUSE).clamp(SECOND, 10 * MINUTE);
            self.deliveries.pause(&webhook.id, pause, now).await?;
        }
        Ok(delivery.tried(status, reason, now))
    }
}

pub(crate) fn outcome(reply: &Result<Reply, NoReply>) -> (Option<u16>, Option<&'static str>) {
    match reply {
        Ok(reply) => (Some(reply.status), None),
        Err(error) => (None, Some(error.as_str())),
    }
}

impl WebhookClient {
    pub(crate) fn open(tables: &Tables, secrets: &Secrets, describe: Describe) -> Result<Self, OpenError> {
        Ok(Self { clock: tables.clock(), keys: secrets.keys()?, outbound: outbound(tables)?, describe })
    }

    /// Calls a webhook once. The user is as it is now; it is absent if it is gone.
    pub(crate) async fn call(
        &self,
        webhook: &Webhook,
        id: &str,
        event: EventType,
        entry: &Activity,
        user: Option<User>,
    ) -> Result<Result<Reply, NoReply>, Outage> {
        let ring = self.keys.get().await?;
        let secret = SigningSecret::of(&ring.pepper, Receiver::Webhook { id: &webhook.id });
        let body = self.body(event, entry, user).to_string();
        let signed = secret.sign(id, self.clock.now(), &body);
        Ok(self.outbound.post(&webhook.url, &signed, body).await)
    }

    fn body(&self, event: EventType, entry: &Activity, user: Option<User>) -> Value {
        let mut data = Map::new();
        if event == EventType::VerificationSucceeded {
            let client = entry.user.as_str().trim_start_matches("#client-");
            data.insert("client_id".to_owned(), client.into());
        } else {
            data.insert("user_id".to_owned(), entry.user.as_str().into());
        }
        let details = [
            ("user", user.map(self.describe)),
            ("session_id", entry.session.as_ref().map(|session| session.as_str().into())),
            ("verification_id", entry.verification.clone().map(Value::from)),
            ("by", entry.by_operator.then(|| "operator".into())),
        ];
        data.extend(details.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        if !entry.amr.is_empty() {
            let amr: Vec<_> = entry.amr.iter().copied().map(Method::as_str).collect();
            data.insert("amr".to_owned(), amr.into());
        }
        json!({ "type": event.as_str(), "timestamp": entry.at.rfc3339(), "data": data })
    }
}
