//! Parts of DynamoDB transactions, and why one was cancelled.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        CancellationReason, ConditionCheck, Delete, Put, TransactWriteItem, Update,
        builders::{ConditionCheckBuilder, DeleteBuilder, PutBuilder, UpdateBuilder},
    },
};

/// A write that its store builds and another store's transaction carries.
pub type Write = TransactWriteItem;

/// # Panics
/// If the builder lacks a table or an item, as for all of these.
pub(crate) fn put(put: PutBuilder) -> Write {
    from_put(put.build().expect("table and item are set"))
}

pub(crate) fn from_put(put: Put) -> Write {
    TransactWriteItem::builder().put(put).build()
}

pub(crate) fn update(update: UpdateBuilder) -> Write {
    let update: Update = update.build().expect("table, key and expression are set");
    TransactWriteItem::builder().update(update).build()
}

pub(crate) fn delete(delete: DeleteBuilder) -> Write {
    let delete: Delete = delete.build().expect("table and key are set");
    TransactWriteItem::builder().delete(delete).build()
}

pub(crate) fn check(check: ConditionCheckBuilder) -> Write {
    let check: ConditionCheck = check.build().expect("table, key and condition are set");
    TransactWriteItem::builder().condition_check(check).build()
}

/// Why a transaction was cancelled, part by part; `None` if it failed in another way.
pub(crate) fn cancellation_reasons<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<&[CancellationReason]> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => Some(cancelled.cancellation_reasons()),
        _ => None,
    }
}

pub(crate) fn condition_failed(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

/// DynamoDB cancels a transaction that meets another write on the same item; nothing was written.
pub(crate) fn in_conflict(reason: &CancellationReason) -> bool {
    reason.code() == Some("TransactionConflict")
}
