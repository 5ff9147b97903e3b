//! A function that does what its event requests, so that tests can observe the laptop's Lambda, gateway and event
//! sources. It is never deployed.
//!
//! Its orders are in the body of a request or in the records of a batch; see [`Order`] and [`Record`].

use std::{sync::Mutex, time::Duration};

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};

/// An order in a request's body.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Order {
    /// Returns `with` as the response.
    Answer {
        with: Value,
    },
    /// Returns the event.
    Echo,
    /// Responds after `millis` milliseconds.
    Wait {
        millis: u64,
    },
    Fail,
    /// Exits the process.
    Exit,
    /// Kills the process with SIGKILL, like an out-of-memory killer.
    Die,
    /// Responds with `bytes` bytes.
    Fill {
        bytes: usize,
    },
}

/// The record names of each batch, in order of arrival.
static BATCHES: Mutex<Vec<Vec<String>>> = Mutex::new(Vec::new());

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let event = event.payload;
    if event["Records"].is_array() {
        return batch(&event["Records"]);
    }
    if event["batches"] == true {
        return Ok(json!(*BATCHES.lock().map_err(|error| error.to_string())?));
    }
    match serde_json::from_str(event["body"].as_str().unwrap_or(r#"{"do":"echo"}"#))? {
        Order::Answer { with } => Ok(with),
        Order::Echo => Ok(event),
        Order::Wait { millis } => {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok(json!({ "statusCode": 200, "body": "waited" }))
        }
        Order::Fail => Err("the body asked for it".into()),
        Order::Exit => std::process::exit(3),
        Order::Die => {
            let this = std::process::id().to_string();
            std::process::Command::new("kill").args(["-9", &this]).status()?;
            std::future::pending().await
        }
        Order::Fill { bytes } => Ok(json!({ "statusCode": 200, "body": "x".repeat(bytes) })),
    }
}

/// Reports a record as failed until it has been seen `times` times. Fails the whole batch if such a record has `all`.
fn batch(records: &Value) -> Result<Value, Error> {
    let mut batches = BATCHES.lock().map_err(|error| error.to_string())?;
    let records: Vec<Record> = records.as_array().into_iter().flatten().map(Record::read).collect();
    let earlier = |name: &str| batches.iter().flatten().filter(|seen| *seen == name).count();
    let fails = |record: &&Record| earlier(&record.name) < record.times;
    let failed: Vec<&Record> = records.iter().filter(fails).collect();
    let all = failed.iter().any(|record| record.all);
    let failures: Vec<Value> = failed.iter().map(|record| json!({ "itemIdentifier": record.identifier })).collect();
    batches.push(records.iter().map(|record| record.name.clone()).collect());
    if all { Err("a record asked for it".into()) } else { Ok(json!({ "batchItemFailures": failures })) }
}

/// `{"name": "a", "times": 2, "all": false}`, as a queue message or as an item's attributes.
struct Record {
    identifier: Value,
    name: String,
    times: usize,
    all: bool,
}

impl Record {
    fn read(record: &Value) -> Self {
        let item = &record["dynamodb"]["NewImage"];
        if item.is_null() {
            let body: Value = serde_json::from_str(record["body"].as_str().unwrap_or_default()).unwrap_or_default();
            let times = body["times"].as_u64().and_then(|times| usize::try_from(times).ok()).unwrap_or(0);
            let name = body["name"].as_str().unwrap_or_default().to_owned();
            return Self { identifier: record["messageId"].clone(), name, times, all: body["all"] == true };
        }
        Self {
            identifier: record["dynamodb"]["SequenceNumber"].clone(),
            name: item["name"]["S"].as_str().unwrap_or_default().to_owned(),
            times: item["times"]["N"].as_str().and_then(|times| times.parse().ok()).unwrap_or(0),
            all: item["all"]["BOOL"] == true,
        }
    }
}
