//! The queue of messages: sends each message that waits there, once.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use twostep_runtime::{
    Deadline, Startup,
    event_source::{BatchResponse, QueueBatch, QueueEntry},
    secrets::Secrets,
    startup::forever,
    telemetry::with_request_id,
};
use twostep_stores::Tables;
use twostep_usecases::messages::{SendMessages, queue::QueuedMessage, send::Received};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let messages = forever(SendMessages::open(&startup, &Tables::new(&startup), &Secrets::new(&startup))?);
    messages.warm_up().await;
    lambda_runtime::run(service_fn(|batch: LambdaEvent<QueueBatch>| {
        with_request_id(batch.context.request_id.clone(), handle(messages, batch))
    }))
    .await
}

/// Entries that are reported as failures stay on the queue.
async fn handle(messages: &'static SendMessages, batch: LambdaEvent<QueueBatch>) -> Result<BatchResponse, Error> {
    let deadline = Deadline::at(batch.context.deadline());
    let left = messages.send(batch.payload.entries.into_iter().map(read).collect(), deadline).await;
    Ok(BatchResponse::failed(left))
}

fn read(entry: QueueEntry) -> Received {
    Received {
        times: entry.times_received(),
        id: entry.message_id,
        receipt: entry.receipt_handle,
        message: QueuedMessage::read(&entry.body),
    }
}
