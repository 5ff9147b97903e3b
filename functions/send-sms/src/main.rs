//! The queue of messages: sends each message that waits there, once.

use std::collections::HashMap;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};
use twostep_runtime::{Deadline, Startup, secrets::Secrets, startup::forever, telemetry::with_request_id};
use twostep_stores::Tables;
use twostep_usecases::messages::{SendMessages, queue::QueuedMessage, send::Received};

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    entries: Vec<Entry>,
}

/// An SQS message (Lambda developer guide, "Using Lambda with Amazon SQS"). The events crate's type of it needs many more
/// crates.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    message_id: String,
    receipt_handle: String,
    body: String,
    #[serde(default)]
    attributes: HashMap<String, String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let messages = forever(SendMessages::open(&startup, &Tables::new(&startup), &Secrets::new(&startup))?);
    messages.warm_up().await;
    lambda_runtime::run(service_fn(|batch: LambdaEvent<Batch>| {
        with_request_id(batch.context.request_id.clone(), handle(messages, batch))
    }))
    .await
}

/// Entries that are reported as failures stay on the queue.
async fn handle(messages: &'static SendMessages, batch: LambdaEvent<Batch>) -> Result<Value, Error> {
    let deadline = Deadline::at(batch.context.deadline());
    let left = messages.send(batch.payload.entries.into_iter().map(read).collect(), deadline).await;
    let failures: Vec<Value> = left.into_iter().map(|id| json!({ "itemIdentifier": id })).collect();
    Ok(json!({ "batchItemFailures": failures }))
}

fn read(entry: Entry) -> Received {
    let times = entry.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok());
    Received {
        id: entry.message_id,
        receipt: entry.receipt_handle,
        times: times.unwrap_or(1),
        message: QueuedMessage::read(&entry.body),
    }
}
