//! All queues of a stack.

use std::{collections::BTreeMap, sync::Arc};

use super::queue::{Message, Queue};
use crate::template;

/// The queues by name.
pub struct Queues(BTreeMap<String, Arc<Queue>>);

impl Queues {
    #[must_use]
    pub fn new(declared: Vec<template::Queue>) -> Arc<Self> {
        let name_of = |queue: &template::Queue| queue.name.clone();
        let queues: BTreeMap<String, Arc<Queue>> =
            declared.into_iter().map(|queue| (name_of(&queue), Arc::new(Queue::new(queue)))).collect();
        Arc::new(Self(queues))
    }

    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<Queue>> {
        self.0.get(name).cloned()
    }

    /// Receives up to `most` messages. First moves messages that exceeded the maximum receive count to their
    /// dead-letter queue. `now` is in milliseconds since the Unix epoch.
    #[must_use]
    pub fn receive(&self, queue: &Queue, most: usize, visibility: Option<u64>, now: u64) -> Vec<Message> {
        let (messages, dead) = queue.receive(most, visibility, now);
        if let Some(target) = queue.dead_letter_queue().and_then(|name| self.find(name)) {
            for message in dead {
                target.put(message);
            }
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Map;

    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn declared(name: &str, redrive: Option<template::RedrivePolicy>) -> template::Queue {
        template::Queue {
            name: name.into(),
            visibility_timeout: Duration::from_secs(30),
            delay: Duration::ZERO,
            retention: Duration::from_secs(345_600),
            redrive,
        }
    }

    #[test]
    fn a_message_that_was_received_too_often_goes_to_the_dead_letter_queue() {
        let redrive = template::RedrivePolicy { dead_letter_queue: "dead".into(), max_receive_count: 2 };
        let queues = Queues::new(vec![declared("q", Some(redrive)), declared("dead", None)]);
        let (queue, dead) = (queues.find("q").unwrap(), queues.find("dead").unwrap());
        queue.send("a".into(), Map::new(), None, NOW);
        for attempt in 0..2 {
            assert_eq!(queues.receive(&queue, 10, Some(1), NOW + attempt * 1_000).len(), 1);
        }
        assert_eq!(queues.receive(&queue, 10, Some(1), NOW + 2_000).len(), 0);
        let received = queues.receive(&dead, 10, None, NOW + 2_000);
        assert_eq!(received.iter().map(|message| &*message.body).collect::<Vec<_>>(), ["a"]);
    }
}
