//! What Lambda's event sources bring to a function, and what it answers (Lambda developer guide, "Using Lambda with Amazon
//! DynamoDB" and "Using Lambda with Amazon SQS"). The events crate's types of them need many more crates.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A batch of a stream's records.
#[derive(Deserialize)]
pub struct StreamBatch {
    #[serde(rename = "Records")]
    records: Vec<Value>,
}

/// One record of a stream.
pub struct Record<T> {
    /// What the event source calls the record, to report it as failed.
    pub sequence_number: Option<String>,
    /// `None` if the record is of another kind.
    pub entry: Option<T>,
}

impl StreamBatch {
    /// Reads the records one by one, so that a malformed one does not hold up the others.
    pub fn read<T>(&self, read: impl Fn(&Value) -> Option<T>) -> Vec<Record<T>> {
        let records = self.records.iter().map(|record| Record {
            sequence_number: record["dynamodb"]["SequenceNumber"].as_str().map(str::to_owned),
            entry: read(record),
        });
        records.collect()
    }
}

/// A batch of a queue's entries.
#[derive(Deserialize)]
pub struct QueueBatch {
    #[serde(rename = "Records")]
    pub entries: Vec<QueueEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueEntry {
    /// What the event source calls the entry, to report it as failed.
    pub message_id: String,
    /// What the queue calls this receive of the entry.
    pub receipt_handle: String,
    pub body: String,
    #[serde(default)]
    attributes: HashMap<String, String>,
}

impl QueueEntry {
    /// How often the entry was received, this time included.
    #[must_use]
    pub fn times_received(&self) -> u32 {
        let count = self.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok());
        count.unwrap_or(1)
    }
}

/// The answer to a batch. The event source brings the failed records and entries again.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchItemFailure {
    item_identifier: Option<String>,
}

impl BatchResponse {
    /// `failed` are sequence numbers of records, or ids of entries.
    #[must_use]
    pub fn failed(failed: impl IntoIterator<Item = impl Into<Option<String>>>) -> Self {
        let failures = failed.into_iter().map(|id| BatchItemFailure { item_identifier: id.into() });
        Self { batch_item_failures: failures.collect() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_malformed_record_is_read_beside_the_others() {
        let batch: StreamBatch = serde_json::from_value(json!({ "Records": [
            { "dynamodb": { "SequenceNumber": "1", "NewImage": "a" } },
            { "dynamodb": { "SequenceNumber": "2" } },
            "nothing",
        ]}))
        .unwrap();
        let records = batch.read(|record| record["dynamodb"]["NewImage"].as_str().map(str::to_owned));
        let read: Vec<_> = records.into_iter().map(|record| (record.sequence_number, record.entry)).collect();
        assert_eq!(read, [(Some("1".into()), Some("a".into())), (Some("2".into()), None), (None, None)]);
    }

    #[test]
    fn failures_are_named_as_the_event_source_names_them() {
        let written = |response: BatchResponse| serde_json::to_value(response).unwrap();
        assert_eq!(written(BatchResponse::failed(Vec::<String>::new())), json!({ "batchItemFailures": [] }));
        let failed = written(BatchResponse::failed([Some("1".to_owned()), None]));
        assert_eq!(failed, json!({ "batchItemFailures": [{ "itemIdentifier": "1" }, { "itemIdentifier": null }] }));
    }
}
