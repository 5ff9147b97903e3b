//! The queue of events: delivers what waits to webhooks.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};
use twostep_http::bodies::user::describe;
use twostep_runtime::{Deadline, Startup, secrets::Secrets, startup::forever, telemetry::with_request_id};
use twostep_stores::Tables;
use twostep_usecases::events::{DeliverEvents, deliver::Received, publish::QueuedLane};

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    entries: Vec<Entry>,
}

/// An SQS message (Lambda developer guide, "Using Lambda with Amazon SQS").
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    message_id: String,
    receipt_handle: String,
    body: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let (tables, secrets) = (Tables::new(&startup), Secrets::new(&startup));
    let events = forever(DeliverEvents::open(&startup, &tables, &secrets, describe)?);
    events.warm_up().await;
    lambda_runtime::run(service_fn(|batch: LambdaEvent<Batch>| {
        with_request_id(batch.context.request_id.clone(), handle(events, batch))
    }))
    .await
}

/// Entries that are reported as failures stay on the queue.
async fn handle(events: &'static DeliverEvents, batch: LambdaEvent<Batch>) -> Result<Value, Error> {
    let deadline = Deadline::at(batch.context.deadline());
    let entries = batch.payload.entries.into_iter().map(|entry| Received {
        id: entry.message_id,
        receipt: entry.receipt_handle,
        lane: QueuedLane::read(&entry.body),
    });
    let left = events.deliver(entries.collect(), deadline).await;
    let failures: Vec<Value> = left.into_iter().map(|id| json!({ "itemIdentifier": id })).collect();
    Ok(json!({ "batchItemFailures": failures }))
}
