//! Put each saved message on the queue of messages to send.
//!
//! The stream of the `codes` table keeps the order of its records, so a record that has to wait would hold up all those
//! behind it. Entries of the queue wait for themselves only.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use twostep_domain::{challenge::DeliveryFailure, ids::ChallengeKey, time::Clock};
use twostep_runtime::{
    Queue, Startup,
    config::ConfigError,
    event_source::Record,
    metrics::{Dimension, Metric, Name},
};
use twostep_stores::challenges::SavedMessage;

/// An entry of the queue. It names the message and carries nothing of it: the challenge is read when the message is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedMessage {
    pub challenge: ChallengeKey,
    pub send_number: u64,
    /// This attempt to send the message certainly sent nothing, although the table may say that it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void_attempt: Option<u64>,
}

impl QueuedMessage {
    /// `None` if the text is not an entry.
    #[must_use]
    pub fn read(body: &str) -> Option<Self> {
        serde_json::from_str(body).ok()
    }

    /// # Panics
    /// Never: it is a struct with named fields.
    #[must_use]
    pub fn write(&self) -> String {
        serde_json::to_string(self).expect("a struct with named fields")
    }
}

pub struct QueueMessages {
    clock: Arc<dyn Clock>,
    queue: Queue,
}

impl QueueMessages {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(startup: &Startup) -> Result<Self, ConfigError> {
        Ok(Self::new(Queue::open(startup, "MESSAGES_QUEUE")?, Arc::clone(&startup.clock)))
    }

    #[must_use]
    pub fn new(queue: Queue, clock: Arc<dyn Clock>) -> Self {
        Self { clock, queue }
    }

    /// Gives the sequence numbers of the records that must come again, because the queue did not take them. A record that
    /// can never be sent is counted and does not come again.
    pub async fn queue(&self, records: Vec<Record<SavedMessage>>) -> Vec<Option<String>> {
        let (mut bodies, mut numbers) = (Vec::new(), Vec::new());
        for Record { sequence_number, entry } in records {
            let Some(SavedMessage { challenge, send_number }) = entry else {
                unreadable("a record is not a challenge", &*self.clock);
                continue;
            };
            bodies.push(QueuedMessage { challenge, send_number, void_attempt: None }.write());
            numbers.push(sequence_number);
        }
        let failed = self.queue.put_all(&bodies).await;
        failed.into_iter().filter_map(|place| numbers.get(place).cloned()).collect()
    }
}

/// Counts a message that can never be sent, and of which nothing else is known.
pub(super) fn unreadable(why: &'static str, clock: &dyn Clock) {
    tracing::error!(why, "a message was dropped");
    let reason = DeliveryFailure::Unreadable.as_str();
    Metric::count(Name::SmsFailed).by(Dimension::Reason, reason).emit(clock.now());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_a_message_and_carries_nothing_else() {
        let mut entry =
            QueuedMessage { challenge: ChallengeKey::from_stored("key"), send_number: 2, void_attempt: None };
        assert_eq!(entry.write(), r#"{"challenge":"key","send_number":2}"#);
        entry.void_attempt = Some(u64::MAX);
        assert_eq!(QueuedMessage::read(&entry.write()), Some(entry));
        assert_eq!(QueuedMessage::read("{}"), None);
    }
}
