//! The audit trail: one item for each entry, under its user and in the order of time. What operators do has a trail of its
//! own, under one key. DynamoDB deletes entries after 400 days.

use aws_sdk_dynamodb::{Client, types::Put};
use serde::{Deserialize as _, de::DeserializeOwned};
use serde_json::Value;
use twostep_domain::{
    account::{Activity, Operation},
    ids::UserId,
};

use crate::{
    table::{self, Item, TableError, text},
    transaction::{self, Write},
};

const TABLE: &str = "audit";

/// What happened to an account, in a record of the table's stream; `None` for what operators did, and for removals.
#[must_use]
pub fn entry_in_record(record: &Value) -> Option<Activity> {
    let image = serde_dynamo::Item::deserialize(&record["dynamodb"]["NewImage"]).ok()?;
    serde_dynamo::from_item(image).ok()
}

#[derive(Clone)]
pub struct AuditStore {
    client: Client,
    table: String,
}

impl AuditStore {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The write that adds an entry, for the transaction of what it records.
    #[must_use]
    pub fn insert(&self, entry: &Activity) -> Write {
        self.put(table::write(entry))
    }

    /// [`Self::insert`] for the trail of operators.
    #[must_use]
    pub fn insert_operation(&self, entry: &Operation) -> Write {
        self.put(table::write(entry))
    }

    fn put(&self, item: Item) -> Write {
        transaction::put(Put::builder().table_name(&self.table).set_item(Some(item)))
    }

    /// Adds an entry about something that no transaction does.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn add(&self, entry: &Activity) -> Result<(), TableError> {
        self.put_now(table::write(entry)).await
    }

    /// [`Self::add`] for the trail of operators.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn add_operation(&self, entry: &Operation) -> Result<(), TableError> {
        self.put_now(table::write(entry)).await
    }

    async fn put_now(&self, item: Item) -> Result<(), TableError> {
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// At most `most` entries of `user`, newest first, that are older than the one with the id `after`.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn page(&self, user: &UserId, after: Option<&str>, most: u16) -> Result<Vec<Activity>, TableError> {
        self.page_of(user.as_str(), after, most).await
    }

    /// [`Self::page`] of the trail of operators.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn operations(&self, after: Option<&str>, most: u16) -> Result<Vec<Operation>, TableError> {
        self.page_of(Operation::TRAIL, after, most).await
    }

    async fn page_of<T: DeserializeOwned>(
        &self,
        key: &str,
        after: Option<&str>,
        most: u16,
    ) -> Result<Vec<T>, TableError> {
        // `~` sorts behind every id.
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("user_id = :user AND id < :after")
            .expression_attribute_values(":user", text(key))
            .expression_attribute_values(":after", text(after.unwrap_or("~")))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(i32::from(most))
            .send()
            .await?;
        output.items.unwrap_or_default().into_iter().map(|item| table::read(TABLE, item)).collect()
    }
}
