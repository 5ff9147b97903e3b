//! What all stores share: errors, reading and writing items, attribute values.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    config::retry::RetryConfig,
    error::{ProvideErrorMetadata, SdkError},
    types::AttributeValue,
};
use serde::{Serialize, de::DeserializeOwned};
use twostep_runtime::aws;

pub type Item = HashMap<String, AttributeValue>;

#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("DynamoDB did not answer: {0}")]
    Unavailable(String),
    /// An item does not have the shape that this version reads.
    #[error("an item in table {table} is malformed")]
    Malformed { table: &'static str },
    /// Other callers changed the same item again and again.
    #[error("an item of {table} is contended")]
    Contended { table: &'static str },
}

impl<E: ProvideErrorMetadata, R> From<SdkError<E, R>> for TableError {
    fn from(error: SdkError<E, R>) -> Self {
        Self::Unavailable(aws::reason(&error))
    }
}

/// # Errors
/// [`TableError::Malformed`] unless the item is a `T`.
pub fn read<T: DeserializeOwned>(table: &'static str, item: Item) -> Result<T, TableError> {
    serde_dynamo::from_item(item).map_err(|_| TableError::Malformed { table })
}

/// # Panics
/// Never for the types of this workspace: all are maps with text keys.
#[must_use]
pub fn write(value: &impl Serialize) -> Item {
    serde_dynamo::to_item(value).expect("a struct with named fields")
}

/// A strongly consistent read of the item with this key.
///
/// # Errors
/// [`TableError::Unavailable`]
pub async fn get(client: &Client, table: &str, key: &str, value: &str) -> Result<Option<Item>, TableError> {
    let request = client.get_item().table_name(table).key(key, text(value)).consistent_read(true);
    Ok(request.send().await?.item)
}

/// For a call that must not be sent again when its response is lost.
#[must_use]
pub fn without_retries() -> aws_sdk_dynamodb::config::Builder {
    aws_sdk_dynamodb::Config::builder().retry_config(RetryConfig::disabled())
}

#[must_use]
pub fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

#[must_use]
pub fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

#[must_use]
pub fn texts(values: &[String]) -> AttributeValue {
    AttributeValue::L(values.iter().map(text).collect())
}

/// NULL for `None`, as serde writes it.
#[must_use]
pub fn optional_text(value: Option<&str>) -> AttributeValue {
    value.map_or(AttributeValue::Null(true), text)
}
