//! Outcomes that a client may ask for again, and tokens that were used up. Both live in the table of sessions, because they
//! are written together with one.

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::UpdateItemError,
    types::{Put, ReturnValue},
};
use serde::{Deserialize, Serialize};
use twostep_domain::{
    challenge::Sealed,
    time::{HOUR, MINUTE, Timestamp},
};

use crate::{
    table::{self, TableError, number, text},
    transaction::{self, Write},
};

const TABLE: &str = "sessions";

/// What a request led to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredOutcome {
    pub id: String,
    /// A keyed hash of the request's body.
    pub body: String,
    pub outcome: Sealed,
    expires_at: Timestamp,
    ttl: Timestamp,
}

impl StoredOutcome {
    /// How long it can be asked for.
    const LIFETIME: Duration = MINUTE;

    #[must_use]
    pub fn new(id: String, body: String, outcome: Sealed, now: Timestamp) -> Self {
        let expires_at = now.plus(Self::LIFETIME);
        Self { id, body, outcome, expires_at, ttl: expires_at }
    }

    /// With what it gives from now on. It ends when it would have ended.
    #[must_use]
    pub fn renewed(&self, outcome: Sealed) -> Self {
        Self { outcome, ..self.clone() }
    }
}

/// How often a token may fail before it is spent.
const MOST_FAILURES: u64 = 5;

#[derive(Clone)]
pub struct OutcomeStore {
    client: Client,
    table: String,
}

impl OutcomeStore {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// # Errors
    /// [`TableError`]
    pub async fn find(&self, id: &str, now: Timestamp) -> Result<Option<StoredOutcome>, TableError> {
        let item = table::get(&self.client, &self.table, "id", id).await?;
        let stored: Option<StoredOutcome> = item.map(|item| table::read(TABLE, item)).transpose()?;
        Ok(stored.filter(|stored| now < stored.expires_at))
    }

    /// The write of an outcome, unless there is another one under its id.
    #[must_use]
    pub fn insert(&self, stored: &StoredOutcome, now: Timestamp) -> Write {
        transaction::put(
            Put::builder()
                .table_name(&self.table)
                .set_item(Some(table::write(stored)))
                .condition_expression("attribute_not_exists(id) OR expires_at <= :now")
                .expression_attribute_values(":now", number(now.0)),
        )
    }

    /// The write of an outcome in place of `former`.
    #[must_use]
    pub fn replace(&self, stored: &StoredOutcome, former: &Sealed) -> Write {
        transaction::put(
            Put::builder()
                .table_name(&self.table)
                .set_item(Some(table::write(stored)))
                .condition_expression("outcome = :former")
                .expression_attribute_values(":former", text(former.0.as_str())),
        )
    }

    /// The write that uses a token up, if that has not happened yet. The token is spent until `expires_at` at least.
    #[must_use]
    pub fn spend(&self, token: &str, expires_at: Timestamp) -> Write {
        let put = Put::builder()
            .table_name(&self.table)
            .item("id", text(token))
            .item("failures", number(MOST_FAILURES))
            .item("ttl", number(expires_at.plus(HOUR).0))
            .condition_expression("attribute_not_exists(id) OR failures < :most")
            .expression_attribute_values(":most", number(MOST_FAILURES));
        transaction::put(put)
    }

    /// Counts a failed use of a token. Tells whether the token could still be used before it.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn count_failure(&self, token: &str, expires_at: Timestamp) -> Result<bool, TableError> {
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(token))
            .update_expression("SET failures = if_not_exists(failures, :none) + :one, #ttl = :ttl")
            .condition_expression("attribute_not_exists(id) OR failures < :most")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":most", number(MOST_FAILURES))
            .expression_attribute_values(":ttl", number(expires_at.plus(HOUR).0))
            .return_values(ReturnValue::None)
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(error.into()),
            },
        }
    }
}
