//! Connects an instance with its process: events go one way, responses the other.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::body::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use super::failure::Failure;

/// A function's result for one invocation.
pub type Answer = Result<Bytes, Failure>;

/// One event for one instance.
pub struct Invocation {
    pub request: String,
    pub event: Bytes,
    /// When the invocation times out, in milliseconds since the Unix epoch.
    pub deadline: u64,
}

/// The connection between one instance and its process.
pub struct Seat {
    events: mpsc::Sender<Invocation>,
    next: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    current: Mutex<Option<(String, oneshot::Sender<Answer>)>>,
    /// Whether the process has taken the current event.
    taken: AtomicBool,
    ready: watch::Sender<bool>,
}

impl Default for Seat {
    fn default() -> Self {
        let (events, next) = mpsc::channel(1);
        Self {
            events,
            next: next.into(),
            current: Mutex::default(),
            taken: AtomicBool::new(false),
            ready: watch::Sender::new(false),
        }
    }
}

impl Seat {
    /// Waits for the next event. The process calls this after it has finished the previous one.
    pub async fn next(&self) -> Option<Invocation> {
        self.ready.send_replace(true);
        let invocation = self.next.lock().await.recv().await;
        self.taken.store(true, Ordering::SeqCst);
        invocation
    }

    /// Returns whether `request` is the current invocation.
    pub fn answer(&self, request: &str, answer: Answer) -> bool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_none_or(|(id, _)| id != request) {
            return false;
        }
        if let Some((_, waiting)) = current.take() {
            let _ = waiting.send(answer);
        }
        true
    }

    /// Sends an event to the process. The receiver gets the response.
    pub async fn hand_over(&self, invocation: Invocation) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        self.taken.store(false, Ordering::SeqCst);
        let request = invocation.request.clone();
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some((request, sender));
        // The channel has room, because the previous event has been answered.
        let _ = self.events.send(invocation).await;
        receiver
    }

    /// Whether the process has taken the most recent event.
    pub fn is_taken(&self) -> bool {
        self.taken.load(Ordering::SeqCst)
    }

    /// Becomes true when the process requests its first event.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }
}

/// The instances that may call, by ID.
#[derive(Clone, Default)]
pub struct Seats(Arc<Mutex<HashMap<String, Weak<Seat>>>>);

impl Seats {
    /// Creates a seat that its instance owns.
    #[must_use]
    pub fn add(&self, id: &str) -> Arc<Seat> {
        let seat = Arc::<Seat>::default();
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seats.retain(|_, seat| seat.strong_count() > 0);
        seats.insert(id.to_owned(), Arc::downgrade(&seat));
        seat
    }

    pub fn find(&self, id: &str) -> Option<Arc<Seat>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id)?.upgrade()
    }
}
