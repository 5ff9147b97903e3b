//! Queues (Amazon SQS).

use std::time::Duration;

use aws_sdk_sqs::{Client, types::SendMessageBatchRequestEntry};

use crate::{
    aws,
    config::{ConfigError, Environment},
    startup::Startup,
};

#[derive(Debug, thiserror::Error)]
#[error("SQS did not answer: {0}")]
pub struct QueueError(String);

#[derive(Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// How many entries one request carries.
    const BATCH: usize = 10;

    /// # Errors
    /// [`ConfigError`] if `variable`, which holds its URL, is not set.
    pub fn open(startup: &Startup, variable: &'static str) -> Result<Self, ConfigError> {
        Self::with_client(Client::new(&startup.aws), &startup.env, variable)
    }

    /// # Errors
    /// As [`Self::open`].
    pub fn with_client(client: Client, env: &Environment, variable: &'static str) -> Result<Self, ConfigError> {
        Ok(Self { client, url: env.required(variable)? })
    }

    /// Puts entries on the queue, and gives the positions of those that it did not take for certain.
    pub async fn put_all(&self, bodies: &[String]) -> Vec<usize> {
        let mut failed = Vec::new();
        for (batch, bodies) in bodies.chunks(Self::BATCH).enumerate() {
            let first = batch * Self::BATCH;
            let entries = bodies.iter().zip(first..).map(|(body, place)| entry(body, place));
            let request = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries.collect()));
            match request.send().await {
                Ok(response) => {
                    for refused in response.failed {
                        tracing::warn!(code = refused.code, "the queue did not take an entry");
                        failed.extend(refused.id.parse::<usize>());
                    }
                }
                Err(error) => {
                    tracing::warn!(error = aws::reason(&error), "the queue took no entry");
                    failed.extend(first..first + bodies.len());
                }
            }
        }
        failed
    }

    /// Puts one entry on the queue, to be received after `delay`.
    ///
    /// # Errors
    /// [`QueueError`]: it may not be on the queue.
    pub async fn put(&self, body: String, delay: Duration) -> Result<(), QueueError> {
        /// Of one entry.
        const LONGEST_DELAY: u64 = 900;
        let delay = seconds(delay, LONGEST_DELAY);
        let request = self.client.send_message().queue_url(&self.url).message_body(body).delay_seconds(delay);
        request.send().await.map_err(|error| QueueError(aws::reason(&error)))?;
        Ok(())
    }

    /// Hides an entry that was received for `pause`, so that it is received again after that.
    ///
    /// # Errors
    /// [`QueueError`]: it is received again after the queue's visibility timeout.
    pub async fn hide(&self, receipt: &str, pause: Duration) -> Result<(), QueueError> {
        /// Twelve hours, from the receive on.
        const LONGEST_PAUSE: u64 = 43_000;
        let request = self.client.change_message_visibility().queue_url(&self.url).receipt_handle(receipt);
        let request = request.visibility_timeout(seconds(pause, LONGEST_PAUSE));
        request.send().await.map_err(|error| QueueError(aws::reason(&error)))?;
        Ok(())
    }
}

fn entry(body: &str, place: usize) -> SendMessageBatchRequestEntry {
    SendMessageBatchRequestEntry::builder()
        .id(place.to_string())
        .message_body(body)
        .build()
        .expect("id and body are set")
}

fn seconds(duration: Duration, most: u64) -> i32 {
    i32::try_from(duration.as_secs().min(most)).unwrap_or(i32::MAX)
}
