//! The stream of the `codes` table: counts each code that came back, once, so that no user waits for it.

use aws_lambda_events::{
    dynamodb::Event,
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use twostep_runtime::{Startup, startup::forever};
use twostep_stores::{Tables, challenges};
use twostep_usecases::codes::CountUsedCodes;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let codes = forever(CountUsedCodes::open(&Tables::new(&startup))?);
    lambda_runtime::run(service_fn(|batch| handle(codes, batch))).await
}

/// Counts the records in order, because most of them count in the same items. The first that fails comes again, with all
/// that follow it; a code that was counted before is recognised.
async fn handle(codes: &'static CountUsedCodes, batch: LambdaEvent<Event>) -> Result<DynamoDbEventResponse, Error> {
    let mut response = DynamoDbEventResponse::default();
    for record in batch.payload.records {
        // A record that cannot be read never can.
        let Some(challenge) = challenges::from_image(record.change.new_image) else {
            tracing::error!("a record is not a challenge");
            continue;
        };
        if let Err(error) = codes.count(&challenge).await {
            tracing::warn!(%error, "a code that came back is counted later");
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = record.change.sequence_number;
            response.batch_item_failures.push(failure);
            break;
        }
    }
    Ok(response)
}
