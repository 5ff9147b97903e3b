//! The stream of the `codes` table: sends each saved message, once.

use aws_lambda_events::{
    dynamodb::Event,
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::{Tables, challenges};
use twostep_usecases::messages::{SendMessages, send::Record};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let messages = forever(SendMessages::open(&Tables::new(&startup), &Secrets::new(&startup))?);
    messages.warm_up().await;
    lambda_runtime::run(service_fn(|batch| handle(messages, batch))).await
}

/// Records that must come again are reported as failures, and the stream brings them again while their code lives.
async fn handle(messages: &'static SendMessages, batch: LambdaEvent<Event>) -> Result<DynamoDbEventResponse, Error> {
    let records = batch.payload.records.into_iter().map(|record| Record {
        challenge: challenges::from_image(record.change.new_image),
        sequence_number: record.change.sequence_number,
    });
    let failed = messages.send(records.collect()).await.into_iter().map(|sequence_number| {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = sequence_number;
        failure
    });
    let mut response = DynamoDbEventResponse::default();
    response.batch_item_failures = failed.collect();
    Ok(response)
}
