//! The stream of the `codes` table: sends each saved email, once.

use aws_lambda_events::{
    dynamodb::Event,
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_senders::ses::Client;
use twostep_stores::{Tables, challenges};
use twostep_usecases::messages::{SendEmails, send::Record};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let (tables, secrets) = (Tables::new(&startup), Secrets::new(&startup));
    let emails = forever(SendEmails::open(&tables, &secrets, Client::new(&startup.aws))?);
    emails.warm_up().await;
    lambda_runtime::run(service_fn(|batch| handle(emails, batch))).await
}

/// Records that must come again are reported as failures, and the stream brings them again while their code lives.
async fn handle(emails: &'static SendEmails, batch: LambdaEvent<Event>) -> Result<DynamoDbEventResponse, Error> {
    let records = batch.payload.records.into_iter().map(|record| Record {
        challenge: challenges::from_image(record.change.new_image),
        sequence_number: record.change.sequence_number,
    });
    let failed = emails.send(records.collect()).await.into_iter().map(|sequence_number| {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = sequence_number;
        failure
    });
    let mut response = DynamoDbEventResponse::default();
    response.batch_item_failures = failed.collect();
    Ok(response)
}
