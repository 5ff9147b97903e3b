//! The stream of the `codes` table: puts each saved message on the queue that `send-sms` reads.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};
use twostep_runtime::{Startup, startup::forever, telemetry::with_request_id};
use twostep_stores::challenges::SavedMessage;
use twostep_usecases::messages::{QueueMessages, queue::Record};

/// Records are read one by one, so that a malformed one does not hold up the others.
#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Value>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let messages = forever(QueueMessages::open(&Startup::begin().await?)?);
    lambda_runtime::run(service_fn(|batch: LambdaEvent<Batch>| {
        with_request_id(batch.context.request_id.clone(), handle(messages, batch))
    }))
    .await
}

/// Records that the queue did not take are reported as failures, and the stream brings them again.
async fn handle(messages: &QueueMessages, batch: LambdaEvent<Batch>) -> Result<Value, Error> {
    let failed = messages.queue(batch.payload.records.iter().map(read).collect()).await;
    let failures: Vec<Value> = failed.into_iter().map(|number| json!({ "itemIdentifier": number })).collect();
    Ok(json!({ "batchItemFailures": failures }))
}

fn read(record: &Value) -> Record {
    let sequence_number = record["dynamodb"]["SequenceNumber"].as_str().map(str::to_owned);
    Record { sequence_number, message: SavedMessage::in_record(record) }
}
