//! The queue of events: delivers what waits to webhooks.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use twostep_http::bodies::user::describe;
use twostep_runtime::{
    Deadline, Startup,
    event_source::{BatchResponse, QueueBatch},
    secrets::Secrets,
    startup::forever,
    telemetry::with_request_id,
};
use twostep_stores::Tables;
use twostep_usecases::events::{DeliverEvents, deliver::Received, publish::QueuedLane};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let (tables, secrets) = (Tables::new(&startup), Secrets::new(&startup));
    let events = forever(DeliverEvents::open(&startup, &tables, &secrets, describe)?);
    events.warm_up().await;
    lambda_runtime::run(service_fn(|batch: LambdaEvent<QueueBatch>| {
        with_request_id(batch.context.request_id.clone(), handle(events, batch))
    }))
    .await
}

/// Entries that are reported as failures stay on the queue.
async fn handle(events: &'static DeliverEvents, batch: LambdaEvent<QueueBatch>) -> Result<BatchResponse, Error> {
    let deadline = Deadline::at(batch.context.deadline());
    let entries = batch.payload.entries.into_iter().map(|entry| Received {
        id: entry.message_id,
        receipt: entry.receipt_handle,
        lane: QueuedLane::read(&entry.body),
    });
    let left = events.deliver(entries.collect(), deadline).await;
    Ok(BatchResponse::failed(left))
}
