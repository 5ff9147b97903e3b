//! The stream of the `codes` table: puts each saved message on the queue that `send-sms` reads.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use twostep_runtime::{
    Startup,
    event_source::{BatchResponse, StreamBatch},
    startup::forever,
    telemetry::with_request_id,
};
use twostep_stores::challenges::SavedMessage;
use twostep_usecases::messages::QueueMessages;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let messages = forever(QueueMessages::open(&Startup::begin().await?)?);
    lambda_runtime::run(service_fn(|batch: LambdaEvent<StreamBatch>| {
        with_request_id(batch.context.request_id.clone(), handle(messages, batch))
    }))
    .await
}

/// Records that the queue did not take are reported as failures, and the stream brings them again.
async fn handle(messages: &QueueMessages, batch: LambdaEvent<StreamBatch>) -> Result<BatchResponse, Error> {
    let failed = messages.queue(batch.payload.read(SavedMessage::in_record)).await;
    Ok(BatchResponse::failed(failed))
}
