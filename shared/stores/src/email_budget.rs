//! The hourly budget of emails: one counter for each hour of the clock.

use aws_sdk_dynamodb::{Client, operation::update_item::UpdateItemError};
use twostep_domain::{
    spending::Period,
    time::{HOUR, Timestamp},
};

use crate::table::{TableError, number, text};

/// The budget of the hour is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetSpent;

#[derive(Clone)]
pub struct EmailBudgetStore {
    client: Client,
    table: String,
}

impl EmailBudgetStore {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Counts an email before it is sent. Without `most` it is counted and never refused.
    ///
    /// # Errors
    /// [`TableError`]: the email could not be counted, so it must not be sent.
    pub async fn reserve(&self, most: Option<u64>, now: Timestamp) -> Result<Result<(), BudgetSpent>, TableError> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(id(now)))
            .update_expression("SET #ttl = :ttl ADD emails :one")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":ttl", number(now.plus(HOUR * 2).0))
            .expression_attribute_values(":one", number(1));
        if let Some(most) = most {
            update = update
                .condition_expression("attribute_not_exists(emails) OR emails < :most")
                .expression_attribute_values(":most", number(most));
        }
        match update.send().await {
            Ok(_) => Ok(Ok(())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(Err(BudgetSpent)),
                _ => Err(error.into()),
            },
        }
    }

    /// Takes back an email that was counted at `at` and certainly not sent.
    ///
    /// # Errors
    /// [`TableError`]: it stays counted.
    pub async fn release(&self, at: Timestamp) -> Result<(), TableError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(id(at)))
            .update_expression("ADD emails :back")
            .expression_attribute_values(":back", number(-1));
        update.send().await?;
        Ok(())
    }
}

fn id(now: Timestamp) -> String {
    format!("email#{}", Period::Hour.start(now).rfc3339())
}
