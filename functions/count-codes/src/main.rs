//! The stream of the `codes` table: counts each code that came back, once, so that no user waits for it.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};
use twostep_runtime::{Startup, startup::forever, telemetry::with_request_id};
use twostep_stores::{Tables, challenges::challenge_in_record};
use twostep_usecases::codes::CountUsedCodes;

/// Records are read one by one, so that a malformed one does not hold up the others.
#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Value>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let codes = forever(CountUsedCodes::open(&Tables::new(&startup))?);
    lambda_runtime::run(service_fn(|batch: LambdaEvent<Batch>| {
        with_request_id(batch.context.request_id.clone(), handle(codes, batch))
    }))
    .await
}

/// Counts the records in order, because most of them count in the same items. The first that fails comes again, with all
/// that follow it; a code that was counted before is recognised.
async fn handle(codes: &CountUsedCodes, batch: LambdaEvent<Batch>) -> Result<Value, Error> {
    for record in batch.payload.records {
        // A record that cannot be read never can.
        let Some(challenge) = challenge_in_record(&record) else {
            tracing::error!("a record is not a challenge");
            continue;
        };
        if let Err(error) = codes.count(&challenge).await {
            tracing::warn!(%error, "a code that came back is counted later");
            let number = &record["dynamodb"]["SequenceNumber"];
            return Ok(json!({ "batchItemFailures": [{ "itemIdentifier": number }] }));
        }
    }
    Ok(json!({ "batchItemFailures": [] }))
}
