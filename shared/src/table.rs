//! What the tables share: errors, and reading an item.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    types::AttributeValue,
};
use serde::de::DeserializeOwned;

pub type Item = HashMap<String, AttributeValue>;

#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("DynamoDB did not answer: {0}")]
    Unavailable(String),
    /// An item is not of the shape that this version writes.
    #[error("an item in table {table} is malformed")]
    Malformed { table: &'static str },
    /// Others changed the same item again and again.
    #[error("an item in table {table} has too many concurrent writers")]
    Contended { table: &'static str },
}

impl<E: ProvideErrorMetadata, R> From<SdkError<E, R>> for TableError {
    fn from(error: SdkError<E, R>) -> Self {
        Self::Unavailable(crate::aws::reason(&error))
    }
}

/// # Errors
/// [`TableError::Malformed`] when the item is not a `T`.
pub fn read<T: DeserializeOwned>(table: &'static str, item: Item) -> Result<T, TableError> {
    serde_dynamo::from_item(item).map_err(|_| TableError::Malformed { table })
}

/// # Panics
/// Never for the types of this crate: all are maps with text keys.
#[must_use]
pub fn write(value: &impl serde::Serialize) -> Item {
    serde_dynamo::to_item(value).expect("a struct with named fields")
}

/// The condition under which an item with an `id` and a `version` may be replaced: nobody has since it was read at
/// `version`, where 0 stands for an item that is not there yet.
#[must_use]
pub fn unchanged_since(version: u64) -> (&'static str, Option<Item>) {
    match version {
        0 => ("attribute_not_exists(id)", None),
        seen => ("version = :seen", Some(Item::from([(":seen".to_owned(), number(seen))]))),
    }
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

/// NULL for none, as serde writes it.
#[must_use]
pub fn optional_text(value: Option<&str>) -> AttributeValue {
    value.map_or(AttributeValue::Null(true), text)
}
