//! The stream of the `audit` table: turns what happened to accounts into events for webhooks.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};
use twostep_runtime::{Startup, startup::forever, telemetry::with_request_id};
use twostep_stores::{Tables, audit::entry_in_record};
use twostep_usecases::events::{PublishEvents, publish::Record};

/// Records are read one by one, so that a malformed one does not hold up the others.
#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Value>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let events = forever(PublishEvents::open(&startup, &Tables::new(&startup))?);
    lambda_runtime::run(service_fn(|batch: LambdaEvent<Batch>| {
        with_request_id(batch.context.request_id.clone(), handle(events, batch))
    }))
    .await
}

/// Records that are reported as failures come again.
async fn handle(events: &PublishEvents, batch: LambdaEvent<Batch>) -> Result<Value, Error> {
    let failed = events.publish(batch.payload.records.iter().map(read).collect()).await;
    let failures: Vec<Value> = failed.into_iter().map(|number| json!({ "itemIdentifier": number })).collect();
    Ok(json!({ "batchItemFailures": failures }))
}

fn read(record: &Value) -> Record {
    let sequence_number = record["dynamodb"]["SequenceNumber"].as_str().map(str::to_owned);
    Record { sequence_number, entry: entry_in_record(record) }
}
