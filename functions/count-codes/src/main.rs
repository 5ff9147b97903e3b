//! The stream of the `codes` table: counts each code that came back, once, so that no user waits for it.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use twostep_runtime::{
    Startup,
    event_source::{BatchResponse, Record, StreamBatch},
    startup::forever,
    telemetry::with_request_id,
};
use twostep_stores::{Tables, challenges::challenge_in_record};
use twostep_usecases::codes::CountUsedCodes;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let codes = forever(CountUsedCodes::open(&Tables::new(&startup))?);
    lambda_runtime::run(service_fn(|batch: LambdaEvent<StreamBatch>| {
        with_request_id(batch.context.request_id.clone(), handle(codes, batch))
    }))
    .await
}

/// Counts the records in order, because most of them count in the same items. The first that fails comes again, with all
/// that follow it; a code that was counted before is recognised.
async fn handle(codes: &CountUsedCodes, batch: LambdaEvent<StreamBatch>) -> Result<BatchResponse, Error> {
    for Record { sequence_number, entry } in batch.payload.read(challenge_in_record) {
        // A record that cannot be read never can.
        let Some(challenge) = entry else {
            tracing::error!("a record is not a challenge");
            continue;
        };
        if let Err(error) = codes.count(&challenge).await {
            tracing::warn!(%error, "a code that came back is counted later");
            return Ok(BatchResponse::failed([sequence_number]));
        }
    }
    Ok(BatchResponse::failed(None::<String>))
}
