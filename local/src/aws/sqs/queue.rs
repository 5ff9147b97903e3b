//! One standard queue: delays, visibility timeouts and redrive (Amazon SQS developer guide).

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use tokio::sync::Notify;

use crate::{identifier::uuid, template};

#[derive(Clone, Debug)]
pub struct Message {
    pub id: String,
    pub body: String,
    pub attributes: Map<String, Value>,
    /// In milliseconds since the Unix epoch.
    pub sent_at: u64,
    pub first_received_at: u64,
    pub receive_count: u32,
    /// Identifies the latest receive of this message. Each receive replaces it.
    pub receipt_handle: String,
    visible_at: u64,
}

pub struct Queue {
    declared: template::Queue,
    messages: Mutex<Vec<Message>>,
    changed: Notify,
}

impl Queue {
    #[must_use]
    pub fn new(declared: template::Queue) -> Self {
        Self { declared, messages: Mutex::default(), changed: Notify::new() }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.declared.name
    }

    pub fn dead_letter_queue(&self) -> Option<&str> {
        self.declared.redrive.as_ref().map(|redrive| redrive.dead_letter_queue.as_str())
    }

    /// Enqueues a message and returns its ID. `delay` is in seconds; `None` uses the queue's default.
    pub fn send(&self, body: String, attributes: Map<String, Value>, delay: Option<u64>, now: u64) -> String {
        let delay = delay.map_or_else(|| millis(self.declared.delay), |seconds| seconds * 1_000);
        let id = uuid();
        self.put(Message {
            id: id.clone(),
            body,
            attributes,
            sent_at: now,
            first_received_at: 0,
            receive_count: 0,
            receipt_handle: String::new(),
            visible_at: now + delay,
        });
        id
    }

    pub(super) fn put(&self, message: Message) {
        self.messages().push(message);
        self.changed.notify_waiters();
    }

    /// Receives up to `most` visible messages and hides them for `visibility` seconds. Also returns the messages that
    /// exceeded the maximum receive count, which are removed from the queue.
    pub(super) fn receive(&self, most: usize, visibility: Option<u64>, now: u64) -> (Vec<Message>, Vec<Message>) {
        let hidden = visibility.map_or_else(|| millis(self.declared.visibility_timeout), |seconds| seconds * 1_000);
        let mut messages = self.messages();
        messages.retain(|message| message.sent_at + millis(self.declared.retention) > now);
        let (mut received, mut dead) = (Vec::new(), Vec::new());
        let mut position = 0;
        while position < messages.len() && received.len() < most {
            if messages[position].visible_at > now {
                position += 1;
                continue;
            }
            let count = messages[position].receive_count + 1;
            if self.declared.redrive.as_ref().is_some_and(|redrive| count > redrive.max_receive_count) {
                dead.push(Message { visible_at: now, receive_count: 0, ..messages.remove(position) });
                continue;
            }
            let message = &mut messages[position];
            message.receive_count = count;
            message.visible_at = now + hidden;
            message.receipt_handle = uuid();
            if count == 1 {
                message.first_received_at = now;
            }
            received.push(message.clone());
            position += 1;
        }
        (received, dead)
    }

    /// Deletes the message with this receipt handle. Deleting a message that is already gone does nothing.
    pub fn delete(&self, receipt_handle: &str) {
        self.messages().retain(|message| message.receipt_handle != receipt_handle || receipt_handle.is_empty());
    }

    /// Hides the message with this receipt handle for another `seconds`. Returns whether such a message is in flight.
    pub fn change_visibility(&self, receipt_handle: &str, seconds: u64, now: u64) -> bool {
        let mut messages = self.messages();
        let message =
            messages.iter_mut().find(|message| message.receipt_handle == receipt_handle && message.visible_at > now);
        let found = message.map(|message| message.visible_at = now + seconds * 1_000).is_some();
        drop(messages);
        self.changed.notify_waiters();
        found
    }

    /// Waits until a message is sent, or becomes visible earlier than planned.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// When the next message becomes visible, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn next_visible(&self) -> Option<u64> {
        self.messages().iter().map(|message| message.visible_at).min()
    }

    fn messages(&self) -> MutexGuard<'_, Vec<Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn queue() -> Queue {
        Queue::new(template::Queue {
            name: "q".into(),
            visibility_timeout: Duration::from_secs(30),
            delay: Duration::ZERO,
            retention: Duration::from_secs(345_600),
            redrive: None,
        })
    }

    fn send(queue: &Queue, body: &str, delay: Option<u64>) {
        queue.send(body.into(), Map::new(), delay, NOW);
    }

    fn bodies(queue: &Queue, now: u64) -> Vec<String> {
        queue.receive(10, None, now).0.into_iter().map(|message| message.body).collect()
    }

    #[test]
    fn a_delayed_message_is_not_received_before_its_time() {
        let queue = queue();
        send(&queue, "now", None);
        send(&queue, "later", Some(5));
        assert_eq!(bodies(&queue, NOW), ["now"]);
        assert_eq!(queue.next_visible(), Some(NOW + 5_000));
        assert_eq!(bodies(&queue, NOW + 4_999), [""; 0]);
        assert_eq!(bodies(&queue, NOW + 5_000), ["later"]);
    }

    #[test]
    fn a_received_message_is_hidden_until_it_is_deleted_or_its_timeout_is_over() {
        let queue = queue();
        send(&queue, "a", None);
        let (first, _) = queue.receive(10, None, NOW);
        assert_eq!(bodies(&queue, NOW + 29_999), [""; 0]);
        let (second, _) = queue.receive(10, None, NOW + 30_000);
        assert_eq!((second[0].receive_count, second[0].first_received_at), (2, NOW));
        queue.delete(&first[0].receipt_handle);
        assert_eq!(bodies(&queue, NOW + 60_000), ["a"], "an outdated receipt handle deletes nothing");
        let (last, _) = queue.receive(10, Some(1), NOW + 90_000);
        queue.delete(&last[0].receipt_handle);
        assert_eq!(bodies(&queue, NOW + 999_000), [""; 0]);
    }

    #[test]
    fn visibility_can_be_changed_while_a_message_is_hidden() {
        let queue = queue();
        send(&queue, "a", None);
        let (received, _) = queue.receive(1, None, NOW);
        assert!(queue.change_visibility(&received[0].receipt_handle, 0, NOW));
        assert_eq!(bodies(&queue, NOW), ["a"]);
        assert!(!queue.change_visibility(&received[0].receipt_handle, 9, NOW), "the receipt handle is outdated");
    }

    #[test]
    fn a_message_is_kept_for_its_retention_period() {
        let queue = queue();
        send(&queue, "a", None);
        assert_eq!(bodies(&queue, NOW + 345_600_000), [""; 0]);
    }
}
