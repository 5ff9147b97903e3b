//! A queue as an event source (Lambda developer guide, "Using Lambda with Amazon SQS"): processed messages are deleted;
//! failed ones become visible again after the queue's visibility timeout.

use std::{sync::Arc, time::Duration};

use axum::body::Bytes;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::{outcome::Outcome, pattern};
use crate::{
    arn,
    aws::sqs::{Message, Queue, Queues, system_attributes},
    clock,
    lambda::Lambda,
};

/// How long one poll waits for messages.
const LONG_POLL: Duration = Duration::from_secs(20);

pub struct Mapping {
    pub queue: Arc<Queue>,
    pub function: String,
    pub batch_size: usize,
    pub batching_window: Duration,
    pub reports_failures: bool,
    /// Messages that these don't admit are deleted without invoking the function.
    pub patterns: Vec<Value>,
    /// How many batches are processed at once.
    pub concurrency: usize,
}

pub fn start(mapping: Mapping, queues: &Arc<Queues>, lambda: &Arc<Lambda>) {
    let mapping = Arc::new(mapping);
    for _ in 0..mapping.concurrency {
        tokio::spawn(poll(Arc::clone(&mapping), Arc::clone(queues), Arc::clone(lambda)));
    }
}

async fn poll(mapping: Arc<Mapping>, queues: Arc<Queues>, lambda: Arc<Lambda>) {
    loop {
        let mut batch = receive(&mapping, &queues, mapping.batch_size, Instant::now() + LONG_POLL).await;
        let end = Instant::now() + mapping.batching_window;
        while !batch.is_empty() && batch.len() < mapping.batch_size && Instant::now() < end {
            batch.extend(receive(&mapping, &queues, mapping.batch_size - batch.len(), end).await);
        }
        if !batch.is_empty() {
            mapping.invoke(&lambda, &batch).await;
        }
    }
}

/// Waits for messages until `end`.
async fn receive(mapping: &Mapping, queues: &Queues, most: usize, end: Instant) -> Vec<Message> {
    loop {
        let changed = mapping.queue.changed();
        let now = clock::epoch_millis();
        let messages = queues.receive(&mapping.queue, most, None, now);
        let (admitted, filtered): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| mapping.admits(&mapping.record(message)));
        for message in filtered {
            mapping.queue.delete(&message.receipt_handle);
        }
        if !admitted.is_empty() || Instant::now() >= end {
            return admitted;
        }
        let due = mapping.queue.next_visible().map(|at| Instant::now() + Duration::from_millis(at.saturating_sub(now)));
        let _ = timeout_at(due.map_or(end, |due| due.min(end)), changed).await;
    }
}

impl Mapping {
    async fn invoke(&self, lambda: &Lambda, batch: &[Message]) {
        let records: Vec<Value> = batch.iter().map(|message| self.record(message)).collect();
        let answer = lambda.invoke(&self.function, Bytes::from(json!({ "Records": records }).to_string())).await;
        if let Err(failure) = &answer {
            eprintln!("twostep-local: {} failed with {} messages: {failure}", self.function, batch.len());
        }
        let identifiers: Vec<&str> = batch.iter().map(|message| message.id.as_str()).collect();
        let failed = match Outcome::of(&answer, self.reports_failures, &identifiers) {
            Outcome::Succeeded => Vec::new(),
            Outcome::Failed => return,
            Outcome::Partly(failed) => failed,
        };
        for message in batch.iter().filter(|message| !failed.contains(&message.id)) {
            self.queue.delete(&message.receipt_handle);
        }
    }

    fn record(&self, message: &Message) -> Value {
        json!({
            "messageId": message.id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": system_attributes(message),
            "messageAttributes": message.attributes,
            "eventSource": "aws:sqs",
            "eventSourceARN": arn::queue(self.queue.name()),
            "awsRegion": arn::REGION,
        })
    }

    /// JSON bodies are parsed so that a filter can match their fields; other bodies match as strings.
    fn admits(&self, record: &Value) -> bool {
        let mut record = record.clone();
        if let Some(body) = record["body"].as_str().and_then(|body| serde_json::from_str::<Value>(body).ok()) {
            record["body"] = body;
        }
        pattern::admit(&self.patterns, &record)
    }
}
