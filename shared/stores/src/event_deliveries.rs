//! Deliveries of events: one item for each (webhook, user, event), in a lane of its webhook and user. Beside them, a lane has
//! a lease, and a webhook has the time until which it is left alone.

use std::time::Duration;

use aws_sdk_dynamodb::{Client, operation::put_item::PutItemError, operation::update_item::UpdateItemError};
use twostep_domain::{
    time::Timestamp,
    webhook::{EventDelivery, Lane},
};

use crate::table::{self, Item, TableError, number, text};

const TABLE: &str = "deliveries";

/// The index that lists the deliveries of a webhook.
const BY_WEBHOOK: &str = "by-webhook";

/// What is not a delivery sorts behind all of them.
const LEASE: &str = "~lease";
const PAUSE: &str = "~pause";

#[derive(Clone)]
pub struct EventDeliveryStore {
    client: Client,
    table: String,
}

impl EventDeliveryStore {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Adds a delivery, unless it is there already.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn add(&self, delivery: &EventDelivery) -> Result<(), TableError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(table::write(delivery)));
        match put.condition_expression("attribute_not_exists(id)").send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(error.into()),
            },
        }
    }

    /// # Errors
    /// [`TableError`]
    pub async fn save(&self, delivery: &EventDelivery) -> Result<(), TableError> {
        self.client.put_item().table_name(&self.table).set_item(Some(table::write(delivery))).send().await?;
        Ok(())
    }

    /// The deliveries of a lane that wait, the oldest first.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn pending(&self, lane: &Lane) -> Result<Vec<EventDelivery>, TableError> {
        let (mut pending, mut start) = (Vec::new(), None);
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("lane = :lane AND id < :rest")
                .filter_expression("#state = :pending")
                .expression_attribute_names("#state", "state")
                .expression_attribute_values(":lane", text(lane.as_str()))
                .expression_attribute_values(":rest", text("~"))
                .expression_attribute_values(":pending", text("pending"))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            for item in page.items.unwrap_or_default() {
                pending.push(table::read(TABLE, item)?);
            }
            start = page.last_evaluated_key.filter(|key: &Item| !key.is_empty());
            if start.is_none() {
                return Ok(pending);
            }
        }
    }

    /// At most `most` deliveries to a webhook, the newest first, that are older than the one with the id `after`. The index is
    /// eventually consistent.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn of_webhook(
        &self,
        webhook: &str,
        after: Option<&str>,
        most: u16,
    ) -> Result<Vec<EventDelivery>, TableError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_WEBHOOK)
            .key_condition_expression("webhook = :webhook AND id < :after")
            .expression_attribute_values(":webhook", text(webhook))
            .expression_attribute_values(":after", text(after.unwrap_or("~")))
            .scan_index_forward(false)
            .limit(i32::from(most))
            .send()
            .await?;
        page.items.unwrap_or_default().into_iter().map(|item| table::read(TABLE, item)).collect()
    }

    /// # Errors
    /// [`TableError`]
    pub async fn find(&self, webhook: &str, id: &str) -> Result<Option<EventDelivery>, TableError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_WEBHOOK)
            .key_condition_expression("webhook = :webhook AND id = :id")
            .expression_attribute_values(":webhook", text(webhook))
            .expression_attribute_values(":id", text(id))
            .send()
            .await?;
        page.items.unwrap_or_default().pop().map(|item| table::read(TABLE, item)).transpose()
    }

    /// Takes a lane, so that only one delivers in it. The lease ends by itself.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn lease(&self, lane: &Lane, until: Timestamp, now: Timestamp) -> Result<bool, TableError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("lane", text(lane.as_str()))
            .key("id", text(LEASE))
            .update_expression("SET #until = :until, #ttl = :until")
            .condition_expression("attribute_not_exists(#until) OR #until <= :now")
            .expression_attribute_names("#until", "until")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":until", number(until.0))
            .expression_attribute_values(":now", number(now.0));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(error.into()),
            },
        }
    }

    /// # Errors
    /// [`TableError`]: the lease ends by itself.
    pub async fn release(&self, lane: &Lane) -> Result<(), TableError> {
        let delete = self.client.delete_item().table_name(&self.table).key("lane", text(lane.as_str()));
        delete.key("id", text(LEASE)).send().await?;
        Ok(())
    }

    /// Until when a webhook that hangs is left alone.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn paused_until(&self, webhook: &str) -> Result<Option<Timestamp>, TableError> {
        let get = self.client.get_item().table_name(&self.table).key("lane", text(webhook)).key("id", text(PAUSE));
        let item = get.send().await?.item.unwrap_or_default();
        Ok(item.get("until").and_then(|until| until.as_n().ok()?.parse().ok()).map(Timestamp))
    }

    /// Leaves a webhook alone for a while.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn pause(&self, webhook: &str, pause: Duration, now: Timestamp) -> Result<(), TableError> {
        let until = number(now.plus(pause).0);
        let item = Item::from([
            ("lane".to_owned(), text(webhook)),
            ("id".to_owned(), text(PAUSE)),
            ("until".to_owned(), until.clone()),
            ("ttl".to_owned(), until),
        ]);
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await?;
        Ok(())
    }
}
