//! Registration tokens: which were used, and how often one was tried with an address that is taken. Without this record a
//! token would tell which addresses have accounts.

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue, Update},
};
use twostep_crypto::Pepper;
use twostep_domain::time::Timestamp;

use crate::{
    table::{TableError, number, text},
    transaction::{self, Write},
};

/// How often one token may be tried in vain.
const MOST_TRIES: i64 = 5;

/// The record of one token. It does not show the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    id: String,
    ttl: Timestamp,
}

/// The token was used before, or too often in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent;

#[derive(Clone)]
pub struct RegistrationTokenStore {
    client: Client,
    table: String,
}

impl TokenRecord {
    /// The record of `token`, which is kept until `ttl`.
    #[must_use]
    pub fn of(pepper: &Pepper, token: &str, ttl: Timestamp) -> Self {
        Self { id: pepper.hide("registration-token", token), ttl }
    }
}

impl RegistrationTokenStore {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Counts a try before it is judged, so that of parallel tries no more are judged than of as many in a row. Gives how
    /// many are left.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn reserve(&self, token: &TokenRecord) -> Result<Result<usize, Spent>, TableError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(token.id.as_str()))
            .update_expression("SET #ttl = :ttl ADD tries :one")
            .condition_expression("attribute_not_exists(used) AND (attribute_not_exists(tries) OR tries < :most)")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":ttl", number(token.ttl.0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":most", number(MOST_TRIES))
            .return_values(ReturnValue::UpdatedNew);
        match update.send().await {
            Ok(updated) => {
                let tries =
                    updated.attributes.as_ref().and_then(|item| item.get("tries")?.as_n().ok()?.parse::<i64>().ok());
                Ok(Ok(usize::try_from(MOST_TRIES - tries.unwrap_or(MOST_TRIES)).unwrap_or(0)))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(Err(Spent)),
                _ => Err(error.into()),
            },
        }
    }

    /// Takes a try back: it failed for another reason than the one that counts.
    ///
    /// # Errors
    /// [`TableError`]: it stays counted.
    pub async fn release(&self, token: &TokenRecord) -> Result<(), TableError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(token.id.as_str()))
            .update_expression("ADD tries :back")
            .expression_attribute_values(":back", number(-1));
        update.send().await?;
        Ok(())
    }

    /// The write that uses the token up, for another store's transaction. It fails if the token was used before.
    #[must_use]
    pub fn use_up(&self, token: &TokenRecord) -> Write {
        transaction::update(
            Update::builder()
                .table_name(&self.table)
                .key("id", text(token.id.as_str()))
                .update_expression("SET used = :used, #ttl = :ttl")
                .condition_expression("attribute_not_exists(used)")
                .expression_attribute_names("#ttl", "ttl")
                .expression_attribute_values(":used", AttributeValue::Bool(true))
                .expression_attribute_values(":ttl", number(token.ttl.0)),
        )
    }
}
