//! The stream of the `codes` table: sends each saved email, once.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use twostep_runtime::{
    Startup,
    event_source::{BatchResponse, StreamBatch},
    secrets::Secrets,
    startup::forever,
    telemetry::with_request_id,
};
use twostep_senders::ses::Client;
use twostep_stores::{Tables, challenges::SavedMessage};
use twostep_usecases::messages::SendEmails;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let (tables, secrets) = (Tables::new(&startup), Secrets::new(&startup));
    let emails = forever(SendEmails::open(&tables, &secrets, Client::new(&startup.aws))?);
    emails.warm_up().await;
    lambda_runtime::run(service_fn(|batch: LambdaEvent<StreamBatch>| {
        with_request_id(batch.context.request_id.clone(), handle(emails, batch))
    }))
    .await
}

/// Records that must come again are reported as failures, and the stream brings them again while their codes live.
async fn handle(emails: &'static SendEmails, batch: LambdaEvent<StreamBatch>) -> Result<BatchResponse, Error> {
    let failed = emails.send(batch.payload.read(SavedMessage::in_record)).await;
    Ok(BatchResponse::failed(failed))
}
