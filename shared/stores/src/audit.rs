//! The audit trail: one item for each entry, under its user and in the order of time. DynamoDB deletes them after 400 days.

use aws_sdk_dynamodb::{Client, types::Put};
use twostep_domain::{account::Activity, ids::UserId};

use crate::{
    table::{self, TableError, text},
    transaction::{self, Write},
};

const TABLE: &str = "audit";

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
        transaction::put(Put::builder().table_name(&self.table).set_item(Some(table::write(entry))))
    }

    /// Adds an entry about something that no transaction does.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn add(&self, entry: &Activity) -> Result<(), TableError> {
        self.client.put_item().table_name(&self.table).set_item(Some(table::write(entry))).send().await?;
        Ok(())
    }

    /// At most `most` entries of `user`, newest first, that are older than the one with the id `after`.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn page(&self, user: &UserId, after: Option<&str>, most: u16) -> Result<Vec<Activity>, TableError> {
        // `~` sorts behind every id.
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("user_id = :user AND id < :after")
            .expression_attribute_values(":user", text(user.as_str()))
            .expression_attribute_values(":after", text(after.unwrap_or("~")))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(i32::from(most))
            .send()
            .await?;
        output.items.unwrap_or_default().into_iter().map(|item| table::read(TABLE, item)).collect()
    }
}
