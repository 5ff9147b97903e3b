//! One running copy of a function: a process, and the invocation that it works on.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use axum::body::Bytes;
use tokio::{
    process::{Child, Command},
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use super::{Failure, Invocation};
use crate::{clock, result::Result};

/// How long a process may take until it asks for its first event (Lambda developer guide, "Init phase").
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// The ids of a function's running processes.
pub type Processes = Arc<Mutex<BTreeSet<u32>>>;

/// What a function answers to one invocation.
pub type Answer = Result<Bytes, Failure>;

pub struct Instance {
    /// When the binary that it runs was built.
    pub build: Option<SystemTime>,
    seat: Arc<Seat>,
    exit: watch::Receiver<Option<ExitStatus>>,
    /// Dropping it ends the process.
    _life: oneshot::Sender<()>,
}

/// The side of an instance that its process talks to, through the runtime API.
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
    /// Waits for the next event; the process has finished with the one before.
    pub async fn next(&self) -> Option<Invocation> {
        self.ready.send_replace(true);
        let invocation = self.next.lock().await.recv().await;
        self.taken.store(true, Ordering::SeqCst);
        invocation
    }

    /// Says whether `request` is the one that is being worked on.
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

    fn expect(&self, request: &str) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        self.taken.store(false, Ordering::SeqCst);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some((request.to_owned(), sender));
        receiver
    }
}

impl Instance {
    /// Starts `binary` and waits until it asks for its first event.
    ///
    /// # Errors
    /// When it cannot be started, ends, or takes too long.
    pub async fn start(
        binary: &Path,
        environment: &[(String, String)],
        seat: Arc<Seat>,
        build: Option<SystemTime>,
        processes: Processes,
    ) -> Result<Self, Failure> {
        let child = Command::new(binary)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .env_remove("AWS_SESSION_TOKEN")
            .env_remove("AWS_PROFILE")
            .stdin(Stdio::null())
            // Its own group: a Ctrl-C in the terminal reaches the stack alone, which ends its functions itself.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure::init(&format!("{} cannot be started: {error}", binary.display())))?;
        let (exited, exit) = watch::channel(None);
        let (life, end) = oneshot::channel();
        tokio::spawn(supervise(child, end, exited, processes));
        let mut instance = Self { build, seat, exit, _life: life };
        let mut ready = instance.seat.ready.subscribe();
        tokio::select! {
            _ = timeout(INIT_LIMIT, ready.wait_for(|ready| *ready)) => {}
            _ = instance.exit.wait_for(Option::is_some) => {}
        }
        if let Some(status) = *instance.exit.borrow() {
            return Err(Failure::init(&format!("Runtime exited with error: {status}")));
        }
        if !*ready.borrow() {
            return Err(Failure::init("Runtime took longer than 10 seconds to initialise"));
        }
        Ok(instance)
    }

    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.exit.borrow().is_none()
    }

    /// Hands over one event and waits for the answer. An error other than the function's own leaves the instance
    /// unusable.
    ///
    /// # Errors
    /// What the function reports; that the process ended; that it took longer than `limit`.
    pub async fn handle(&mut self, request: String, event: Bytes, limit: Duration) -> Answer {
        let answer = self.seat.expect(&request);
        let deadline = clock::epoch_millis() + u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let invocation = Invocation { request: request.clone(), event, deadline };
        if self.seat.events.send(invocation).await.is_err() {
            return Err(Failure::NotStarted);
        }
        tokio::select! {
            // The answer first: a process may end right after it.
            biased;
            Ok(answer) = answer => answer,
            () = tokio::time::sleep(limit) => Err(Failure::timed_out(&request, limit)),
            Ok(status) = self.exit.wait_for(Option::is_some) => Err(if self.seat.taken.load(Ordering::SeqCst) {
                Failure::exited(&request, &status.map(|status| status.to_string()).unwrap_or_default())
            } else {
                Failure::NotStarted
            }),
        }
    }
}

/// Owns the process until it ends by itself or its instance is dropped.
async fn supervise(
    mut child: Child,
    end: oneshot::Receiver<()>,
    exited: watch::Sender<Option<ExitStatus>>,
    processes: Processes,
) {
    let id = child.id().unwrap_or_default();
    let listed = || processes.lock().unwrap_or_else(PoisonError::into_inner);
    listed().insert(id);
    tokio::select! {
        status = child.wait() => { exited.send_replace(status.ok()); }
        _ = end => { let _ = child.kill().await; }
    }
    listed().remove(&id);
}
