//! Outcomes that a client may ask for again. They live in the table of sessions, because they are written together with one.

use std::time::Duration;

use aws_sdk_dynamodb::{Client, types::Put};
use serde::{Deserialize, Serialize};
use twostep_domain::{
    challenge::Sealed,
    time::{MINUTE, Timestamp},
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
}
