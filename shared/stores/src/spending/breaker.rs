//! The breaker's state: one item, read through a cache of 30 seconds.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::{Client, operation::update_item::UpdateItemError, types::AttributeValue};
use twostep_domain::{
    spending::{Breaker, Scope, Trip},
    time::Clock,
};
use twostep_runtime::cache::{Cached, Stale};

use crate::table::{self, Item, TableError, number, text};

const TABLE: &str = "counters";
const ID: &str = "breaker";

pub struct BreakerStore {
    client: Client,
    table: String,
    clock: Arc<dyn Clock>,
    cached: Cached<Breaker>,
}

impl BreakerStore {
    const FRESH_FOR: Duration = Duration::from_secs(30);

    #[must_use]
    pub fn new(client: Client, table: String, clock: Arc<dyn Clock>) -> Self {
        Self { client, table, clock, cached: Cached::new(Self::FRESH_FOR, Stale::Refuse) }
    }

    /// The breaker, at most 30 seconds old.
    ///
    /// # Errors
    /// [`TableError`]: no caller may assume then that everything is normal.
    pub async fn get(&self) -> Result<Arc<Breaker>, TableError> {
        self.cached.get(self.clock.now(), self.load()).await
    }

    /// The breaker as it is now.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn fresh(&self) -> Result<Arc<Breaker>, TableError> {
        self.cached.forget().await;
        self.get().await
    }

    /// Records a trip of `scope`, unless it has tripped to that level for longer already. `true` if this changed anything.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn record(&self, scope: &Scope, trip: &Trip) -> Result<bool, TableError> {
        let (now, name) = (self.clock.now(), Breaker::entry_name(scope, trip.level));
        if self.get().await?.lasts(&name, trip.until) {
            return Ok(false);
        }
        // Entries that are over are removed on the way, so that the item stays small. The present item decides which.
        let over = self.fresh().await?.over(now, &name);
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(ID))
            .condition_expression("attribute_not_exists(#entry) OR #entry.#until < :until")
            .expression_attribute_names("#entry", name)
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":trip", AttributeValue::M(table::write(trip)))
            .expression_attribute_values(":until", number(trip.until.0));
        let names: Vec<String> = (0..over.len()).map(|index| format!("#over{index}")).collect();
        for (placeholder, name) in names.iter().zip(over) {
            update = update.expression_attribute_names(placeholder, name);
        }
        let remove = if names.is_empty() { String::new() } else { format!(" REMOVE {}", names.join(", ")) };
        let result = update.update_expression(format!("SET #entry = :trip{remove}")).send().await;
        self.cached.forget().await;
        match result {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(error.into()),
            },
        }
    }

    /// Ends a trip of `scope` before its time. `false` if another one has taken its place.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn lift(&self, scope: &Scope, trip: &Trip) -> Result<bool, TableError> {
        let now = self.clock.now();
        let lifted = Trip { until: now, lifted: true, ..*trip };
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(ID))
            .condition_expression("#entry.#until = :until")
            .update_expression("SET #entry = :trip")
            .expression_attribute_names("#entry", Breaker::entry_name(scope, trip.level))
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":trip", AttributeValue::M(table::write(&lifted)))
            .expression_attribute_values(":until", number(trip.until.0));
        let result = update.send().await;
        self.cached.forget().await;
        match result {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(error.into()),
            },
        }
    }

    /// Returns every scope to normal: the operator has changed what is allowed.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn reset(&self) -> Result<(), TableError> {
        self.client.delete_item().table_name(&self.table).key("id", text(ID)).send().await?;
        self.cached.forget().await;
        Ok(())
    }

    async fn load(&self) -> Result<Breaker, TableError> {
        read(table::get(&self.client, &self.table, "id", ID).await?.unwrap_or_default())
    }
}

/// # Errors
/// [`TableError::Malformed`]
pub fn read(item: Item) -> Result<Breaker, TableError> {
    let trips = item.into_iter().filter_map(|(name, value)| match value {
        AttributeValue::M(trip) => Some((name, trip)),
        _ => None,
    });
    trips.map(|(name, trip)| Ok((name, table::read(TABLE, trip)?))).collect()
}
