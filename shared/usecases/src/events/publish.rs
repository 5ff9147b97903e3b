//! Turn entries of the audit trail into deliveries, and put their lanes on the queue.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use twostep_domain::{
    account::Activity,
    time::Clock,
    webhook::{EventDelivery, Lane, events_of},
};
use twostep_runtime::{Queue, Startup, config::ConfigError, event_source::Record};
use twostep_stores::{EventDeliveryStore, TableError, Tables, webhooks::WebhookStore};

pub struct PublishEvents {
    clock: Arc<dyn Clock>,
    webhooks: WebhookStore,
    deliveries: EventDeliveryStore,
    queue: Queue,
}

/// An entry of the queue: a lane in which something waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedLane {
    pub lane: Lane,
}

impl QueuedLane {
    /// `None` if the text is not an entry.
    #[must_use]
    pub fn read(body: &str) -> Option<Self> {
        serde_json::from_str(body).ok()
    }

    /// # Panics
    /// Never: it is a struct with named fields.
    #[must_use]
    pub fn write(&self) -> String {
        serde_json::to_string(self).expect("a struct with named fields")
    }
}

impl PublishEvents {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(startup: &Startup, tables: &Tables) -> Result<Self, ConfigError> {
        Self::with_queue(Queue::open(startup, "EVENTS_QUEUE")?, tables)
    }

    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn with_queue(queue: Queue, tables: &Tables) -> Result<Self, ConfigError> {
        let (webhooks, deliveries) = (tables.webhooks()?, tables.event_deliveries()?);
        Ok(Self { clock: tables.clock(), webhooks, deliveries, queue })
    }

    /// Gives the sequence numbers of the records that must come again. One that came before adds nothing twice.
    pub async fn publish(&self, records: Vec<Record<Activity>>) -> Vec<Option<String>> {
        let (mut lanes, mut failed): (BTreeMap<Lane, Option<String>>, Vec<_>) = (BTreeMap::new(), Vec::new());
        for Record { sequence_number, entry } in records {
            let Some(entry) = entry else { continue };
            // On the heap: its future holds several of the SDK's.
            match Box::pin(self.add(&entry)).await {
                // A lane needs one entry of the queue, however much waits in it. If the queue doesn't take it, the first record comes
                // again, and with it all that follow.
                Ok(added) => added.into_iter().for_each(|lane| {
                    lanes.entry(lane).or_insert_with(|| sequence_number.clone());
                }),
                Err(error) => {
                    tracing::warn!(%error, "an event waits");
                    failed.push(sequence_number);
                }
            }
        }
        let (lanes, numbers): (Vec<_>, Vec<_>) = lanes.into_iter().unzip();
        let bodies: Vec<_> = lanes.into_iter().map(|lane| QueuedLane { lane }.write()).collect();
        let refused = self.queue.put_all(&bodies).await;
        failed.extend(refused.into_iter().filter_map(|place| numbers.get(place).cloned()));
        failed
    }

    /// Adds the deliveries that follow from an entry, and gives their lanes.
    async fn add(&self, entry: &Activity) -> Result<Vec<Lane>, TableError> {
        let registry = self.webhooks.recent().await?;
        let mut lanes = Vec::new();
        for webhook in &registry.webhooks {
            for (place, event) in events_of(entry).into_iter().enumerate().filter(|(_, event)| webhook.wants(*event)) {
                let delivery = EventDelivery::new(webhook, event, place, entry, self.clock.now());
                self.deliveries.add(&delivery).await?;
                lanes.push(Lane::of(&webhook.id, entry));
            }
        }
        lanes.dedup();
        Ok(lanes)
    }
}
