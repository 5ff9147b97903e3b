//! SQS, with the queues that `template.yaml` declares. Messages are kept in memory.

mod queue;
mod wire;

use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, routing::post};
pub use queue::{Message, Queue};
use tokio::net::TcpListener;
pub use wire::system_attributes;

use crate::template;

/// The queues, by their names.
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

    /// Receives up to `most` messages, after moving those that were received too often to
    /// their dead-letter queue. `now` is in milliseconds since 1970.
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

/// # Panics
/// When the listener fails.
pub async fn serve(listener: TcpListener, queues: Arc<Queues>) {
    let app = Router::new().route("/", post(wire::handle)).route("/{*queue}", post(wire::handle)).with_state(queues);
    axum::serve(listener, app).await.expect("serving does not end");
}
