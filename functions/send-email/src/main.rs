//! The stream of the `codes` table: sends each saved email, once.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever, telemetry::with_request_id};
use twostep_senders::ses::Client;
use twostep_stores::{Tables, challenges::SavedMessage};
use twostep_usecases::messages::{SendEmails, queue::Record};

/// Records are read one by one, so that a malformed one does not hold up the others.
#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Value>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let (tables, secrets) = (Tables::new(&startup), Secrets::new(&startup));
    let emails = forever(SendEmails::open(&tables, &secrets, Client::new(&startup.aws))?);
    emails.warm_up().await;
    lambda_runtime::run(service_fn(|batch: LambdaEvent<Batch>| {
        with_request_id(batch.context.request_id.clone(), handle(emails, batch))
    }))
    .await
}

/// Records that must come again are reported as failures, and the stream brings them again while their codes live.
async fn handle(emails: &'static SendEmails, batch: LambdaEvent<Batch>) -> Result<Value, Error> {
    let failed = emails.send(batch.payload.records.iter().map(read).collect()).await;
    let failures: Vec<Value> = failed.into_iter().map(|number| json!({ "itemIdentifier": number })).collect();
    Ok(json!({ "batchItemFailures": failures }))
}

fn read(record: &Value) -> Record {
    let sequence_number = record["dynamodb"]["SequenceNumber"].as_str().map(str::to_owned);
    Record { sequence_number, message: SavedMessage::in_record(record) }
}
