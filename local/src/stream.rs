//! The stream between `codes` and `send-sms`, as Lambda's event source runs it: filtered, in lanes that keep the order
//! within one key, in batches, with reported failures tried again until they are too old.

use std::{
    collections::{VecDeque, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use dynoxide::{Database, actions::get_records::Record};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{Result, http_client, template::StreamSource};

const TABLE: &str = "codes";
const FUNCTION: &str = "send-sms";
const POLL: Duration = Duration::from_millis(50);
/// The function's own time limit in the template: after it Lambda would have ended the invocation.
const INVOCATION_LIMIT: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub async fn pump(database: Database, source: StreamSource, api_url: String) {
    let source = Arc::new(source);
    let lanes: Vec<_> = (0..source.lanes)
        .map(|_| {
            let (sender, receiver) = mpsc::unbounded_channel();
            tokio::spawn(run_lane(receiver, Arc::clone(&source), api_url.clone()));
            sender
        })
        .collect();
    if let Err(error) = read(&database, &source, &lanes).await {
        eprintln!("twostep-local: the stream of {TABLE} stopped: {error}");
    }
}

async fn read(database: &Database, source: &StreamSource, lanes: &[mpsc::UnboundedSender<Value>]) -> Result<()> {
    let streams = database.list_streams(serde_json::from_value(json!({ "TableName": TABLE }))?)?.streams;
    let arn = &streams.first().ok_or("the table has no stream")?.stream_arn;
    let description =
        database.describe_stream(serde_json::from_value(json!({ "StreamArn": arn }))?)?.stream_description;
    let shard = &description.shards.first().ok_or("the stream has no shard")?.shard_id;
    let start = json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
    let mut position = database.get_shard_iterator(serde_json::from_value(start)?)?.shard_iterator;
    while let Some(iterator) = position {
        let batch = database.get_records(serde_json::from_value(json!({ "ShardIterator": iterator }))?)?;
        let pause = batch.records.is_empty();
        for record in &batch.records {
            let lane = lane_of(record, lanes.len());
            let record = serde_json::to_value(record)?;
            if source.patterns.iter().any(|pattern| matches(pattern, &record)) && !too_old(&record, source) {
                lanes[lane].send(record)?;
            }
        }
        position = batch.next_shard_iterator;
        if pause {
            tokio::time::sleep(POLL).await;
        }
    }
    Ok(())
}

/// Records of one key go to one lane, in their order.
fn lane_of(record: &Record, lanes: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    format!("{:?}", record.dynamodb.keys).hash(&mut hasher);
    usize::try_from(hasher.finish() % lanes as u64).unwrap_or(0)
}

async fn run_lane(mut records: mpsc::UnboundedReceiver<Value>, source: Arc<StreamSource>, api_url: String) {
    let client = http_client(INVOCATION_LIMIT);
    let url = format!("{api_url}/2015-03-31/functions/{FUNCTION}/invocations");
    let mut waiting: VecDeque<Value> = VecDeque::new();
    let mut pause = FIRST_PAUSE;
    let mut batch_size = source.batch_size;
    loop {
        if waiting.is_empty() {
            let Some(record) = records.recv().await else { return };
            waiting.push_back(record);
        }
        while let Ok(record) = records.try_recv() {
            waiting.push_back(record);
        }
        waiting.retain(|record| !too_old(record, &source));
        let batch: Vec<&Value> = waiting.iter().take(batch_size).collect();
        if batch.is_empty() {
            continue;
        }
        let outcome = invoke(&client, &url, &batch).await;
        if outcome.is_err() {
            // The whole batch failed: halves find the record that is to blame.
            batch_size = (batch_size / 2).max(1);
        }
        let done = outcome.unwrap_or(0);
        if done == batch.len() {
            (pause, batch_size) = (FIRST_PAUSE, source.batch_size);
        } else {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        waiting.drain(..done);
    }
}

/// How many records at the front are done: all before the first that was reported as failed.
async fn invoke(client: &reqwest::Client, url: &str, batch: &[&Value]) -> Result<usize> {
    let answer = client.post(url).json(&json!({ "Records": batch })).send().await?.error_for_status()?;
    let answer: Value = answer.json().await?;
    let failures = answer["batchItemFailures"].as_array().ok_or("the function failed")?;
    let failed = |record: &&Value| {
        let number = &record["dynamodb"]["SequenceNumber"];
        failures.iter().any(|failure| failure["itemIdentifier"] == *number)
    };
    Ok(batch.iter().position(failed).unwrap_or(batch.len()))
}

fn too_old(record: &Value, source: &StreamSource) -> bool {
    let created = record["dynamodb"]["ApproximateCreationDateTime"].as_f64().unwrap_or(0.0);
    now().as_secs_f64() - created > source.longest_age.as_secs_f64()
}

/// The machine's own time, which DynamoDB stamps records with: a clock that a test has moved says nothing of their age.
#[expect(clippy::disallowed_methods, reason = "compared with the embedded DynamoDB's own stamps")]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// An event pattern, as far as the template uses it: objects name fields, arrays list the values that match.
fn matches(pattern: &Value, value: &Value) -> bool {
    match pattern {
        Value::Object(fields) => fields.iter().all(|(name, pattern)| matches(pattern, &value[name])),
        Value::Array(values) => values.contains(value),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_what_has_one_of_its_values_in_every_field() {
        let pattern = json!({"dynamodb":{"NewImage":{"delivery":{"S":["pending"]},"decoy":{"BOOL":[false]}}}});
        let record = |delivery: &str, decoy: bool| json!({"dynamodb":{"NewImage":{"delivery":{"S":delivery},"decoy":{"BOOL":decoy}}}});
        assert!(matches(&pattern, &record("pending", false)));
        assert!(!matches(&pattern, &record("pending", true)));
        assert!(!matches(&pattern, &record("sent", false)));
        assert!(!matches(&pattern, &json!({"dynamodb":{"Keys":{}}})));
    }
}
