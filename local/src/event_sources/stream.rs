//! A table's stream as an event source: reads the records in order, filters them, and distributes them to parallel
//! lanes. Each lane keeps the order of its keys.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use axum::body::Bytes;
use dynoxide::{Database, actions::get_records::Record};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    lane::{Lane, Policy, sequence_number},
    outcome::Outcome,
    pattern,
};
use crate::{clock, lambda::Lambda, result::Result};

const POLL: Duration = Duration::from_millis(50);
/// How many records may wait in a lane. If a lane is full, the reader waits, as Lambda does with a shard.
const LONGEST_LANE: usize = 1_000;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub struct Stream {
    pub table: String,
    pub function: String,
    pub lanes: usize,
    pub batching_window: Duration,
    pub reports_failures: bool,
    /// Only records that these admit are delivered.
    pub patterns: Vec<Value>,
    pub policy: Policy,
}

/// Runs until the stack stops.
pub async fn run(stream: Stream, database: Database, lambda: Arc<Lambda>) {
    let stream = Arc::new(stream);
    let lanes: Vec<_> = (0..stream.lanes.max(1))
        .map(|_| {
            let (sender, receiver) = mpsc::channel(LONGEST_LANE);
            tokio::spawn(run_lane(receiver, Arc::clone(&stream), Arc::clone(&lambda)));
            sender
        })
        .collect();
    if let Err(error) = read(&database, &stream, &lanes).await {
        eprintln!("twostep-local: the stream of {} stopped: {error}", stream.table);
    }
}

async fn read(database: &Database, stream: &Stream, lanes: &[mpsc::Sender<Value>]) -> Result<()> {
    let streams = database.list_streams(serde_json::from_value(json!({ "TableName": stream.table }))?)?.streams;
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
            let mut record = serde_json::to_value(record)?;
            record["eventSourceARN"] = json!(arn);
            if pattern::admit(&stream.patterns, &record) {
                lanes[lane].send(record).await?;
            }
        }
        position = batch.next_shard_iterator;
        if pause {
            tokio::time::sleep(POLL).await;
        }
    }
    Ok(())
}

fn lane_of(record: &Record, lanes: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    format!("{:?}", record.dynamodb.keys).hash(&mut hasher);
    usize::try_from(hasher.finish() % lanes as u64).unwrap_or(0)
}

async fn run_lane(mut records: mpsc::Receiver<Value>, stream: Arc<Stream>, lambda: Arc<Lambda>) {
    let mut lane = Lane::default();
    let mut pause = FIRST_PAUSE;
    loop {
        if lane.is_empty() {
            let Some(record) = records.recv().await else { return };
            lane.push(record);
        }
        gather(&mut lane, &mut records, &stream).await;
        let Some(batch) = lane.batch(&stream.policy, clock::epoch_millis()) else { continue };
        let identifiers: Vec<&str> = batch.iter().map(sequence_number).collect();
        let event = Bytes::from(json!({ "Records": batch }).to_string());
        let answer = lambda.invoke(&stream.function, event).await;
        if let Err(failure) = &answer {
            eprintln!("twostep-local: {} failed with {} records: {failure}", stream.function, batch.len());
        }
        let outcome = Outcome::of(&answer, stream.reports_failures, &identifiers);
        if lane.settle(&outcome, &stream.policy) {
            pause = FIRST_PAUSE;
        } else {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Takes the available records, then waits for more until the batch is full or the batching window is over.
async fn gather(lane: &mut Lane, records: &mut mpsc::Receiver<Value>, stream: &Stream) {
    let end = Instant::now() + stream.batching_window;
    while !lane.is_full(&stream.policy) {
        match records.try_recv() {
            Ok(record) => lane.push(record),
            Err(_) if stream.batching_window.is_zero() => return,
            Err(_) => match timeout_at(end, records.recv()).await {
                Ok(Some(record)) => lane.push(record),
                _ => return,
            },
        }
    }
}
