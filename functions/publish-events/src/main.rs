//! The stream of the `audit` table: turns what happened to accounts into events for webhooks.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use twostep_runtime::{
    Startup,
    event_source::{BatchResponse, StreamBatch},
    startup::forever,
    telemetry::with_request_id,
};
use twostep_stores::{Tables, audit::entry_in_record};
use twostep_usecases::events::PublishEvents;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let events = forever(PublishEvents::open(&startup, &Tables::new(&startup))?);
    lambda_runtime::run(service_fn(|batch: LambdaEvent<StreamBatch>| {
        with_request_id(batch.context.request_id.clone(), handle(events, batch))
    }))
    .await
}

/// Records that are reported as failures come again.
async fn handle(events: &PublishEvents, batch: LambdaEvent<StreamBatch>) -> Result<BatchResponse, Error> {
    let failed = events.publish(batch.payload.read(entry_in_record)).await;
    Ok(BatchResponse::failed(failed))
}
