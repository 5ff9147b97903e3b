//! One lane of a shard: ordered batches of records and their retries (Lambda developer guide, "Configuring partial
//! batch response with DynamoDB" and "Retry attempts").

use std::{collections::VecDeque, time::Duration};

use serde_json::Value;

use super::outcome::Outcome;

pub struct Policy {
    pub batch_size: usize,
    pub bisects: bool,
    /// Older records are skipped.
    pub maximum_age: Option<Duration>,
    /// How often a batch is retried before it is skipped. Splitting a batch doesn't count as a retry.
    pub maximum_retries: Option<u32>,
}

/// Records in order. The first batch is the next one to invoke the function with; the others are the rest of a failed
/// batch.
#[derive(Default)]
pub struct Lane {
    waiting: VecDeque<Value>,
    batches: VecDeque<Batch>,
}

#[derive(Debug)]
struct Batch {
    records: Vec<Value>,
    retries: u32,
}

impl Lane {
    pub fn push(&mut self, record: Value) {
        self.waiting.push_back(record);
    }

    /// Whether there are enough records for a full batch, or a batch is being retried.
    #[must_use]
    pub fn is_full(&self, policy: &Policy) -> bool {
        !self.batches.is_empty() || self.waiting.len() >= policy.batch_size
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.waiting.is_empty()
    }

    /// The records to invoke the function with. `now` is in milliseconds since the Unix epoch.
    pub fn batch(&mut self, policy: &Policy, now: u64) -> Option<&[Value]> {
        while let Some(batch) = self.batches.front_mut() {
            batch.records.retain(|record| !policy.is_too_old(record, now));
            if !batch.records.is_empty() {
                break;
            }
            self.batches.pop_front();
        }
        if self.batches.is_empty() {
            self.waiting.retain(|record| !policy.is_too_old(record, now));
            let size = policy.batch_size.min(self.waiting.len());
            let records: Vec<Value> = self.waiting.drain(..size).collect();
            if !records.is_empty() {
                self.batches.push_back(Batch { records, retries: 0 });
            }
        }
        self.batches.front().map(|batch| batch.records.as_slice())
    }

    /// Applies the outcome of the current batch. Returns true if the lane continues at once, false if it must pause
    /// before the next attempt.
    pub fn settle(&mut self, outcome: &Outcome, policy: &Policy) -> bool {
        let Some(mut batch) = self.batches.pop_front() else { return true };
        match outcome {
            Outcome::Succeeded => return true,
            Outcome::Partly(failed) => {
                let is_failed = |record: &Value| failed.iter().any(|identifier| identifier == sequence_number(record));
                let lowest = batch.records.iter().position(is_failed).unwrap_or(0);
                batch.records.drain(..lowest);
            }
            Outcome::Failed if policy.bisects && batch.records.len() > 1 => {
                let second = batch.records.split_off(batch.records.len() / 2);
                self.batches.push_front(Batch { records: second, retries: batch.retries });
                self.batches.push_front(batch);
                return false;
            }
            Outcome::Failed => {}
        }
        if policy.maximum_retries.is_some_and(|most| batch.retries >= most) {
            return true;
        }
        batch.retries += 1;
        self.batches.push_front(batch);
        false
    }
}

impl Policy {
    fn is_too_old(&self, record: &Value, now: u64) -> bool {
        let Some(maximum_age) = self.maximum_age else { return false };
        let created = record["dynamodb"]["ApproximateCreationDateTime"].as_f64().unwrap_or(0.0);
        let created = Duration::try_from_secs_f64(created).unwrap_or_default();
        Duration::from_millis(now).saturating_sub(created) > maximum_age
    }
}

#[must_use]
pub fn sequence_number(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
