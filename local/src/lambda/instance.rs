//! One running instance of a function: a process and its current invocation.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use axum::body::Bytes;
use tokio::{
    process::{Child, Command},
    sync::{oneshot, watch},
    time::timeout,
};

use super::{
    failure::Failure,
    seats::{Answer, Invocation, Seat},
};
use crate::clock;

/// How long a process may take until it requests its first event (Lambda developer guide, "Init phase").
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// The IDs of a function's running processes.
pub type Processes = Arc<Mutex<BTreeSet<u32>>>;

pub struct Instance {
    /// The build of the binary that this instance runs.
    pub build: Option<SystemTime>,
    seat: Arc<Seat>,
    exit: watch::Receiver<Option<ExitStatus>>,
    /// Dropping this sender ends the process.
    _life: oneshot::Sender<()>,
}

impl Instance {
    /// Starts `binary` and waits until it requests its first event.
    ///
    /// # Errors
    /// If the process can't be started, exits, or takes too long.
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
            // Runs in its own process group, so that Ctrl-C reaches only the stack, which ends its functions itself.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure::init(&format!("{} can't be started: {error}", binary.display())))?;
        let (exited, exit) = watch::channel(None);
        let (life, end) = oneshot::channel();
        tokio::spawn(supervise(child, end, exited, processes));
        let mut instance = Self { build, seat, exit, _life: life };
        let mut ready = instance.seat.ready();
        tokio::select! {
            _ = timeout(INIT_LIMIT, ready.wait_for(|ready| *ready)) => {}
            _ = instance.exit.wait_for(Option::is_some) => {}
        }
        if let Some(status) = *instance.exit.borrow() {
            return Err(Failure::init(&format!("Runtime exited with error: {status}")));
        }
        if !*ready.borrow() {
            return Err(Failure::init("Runtime took longer than 10 seconds to initialize"));
        }
        Ok(instance)
    }

    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.exit.borrow().is_none()
    }

    /// Sends one event to the process and waits for its response. Unless the function itself reported the error, the
    /// instance is unusable after an error.
    ///
    /// # Errors
    /// If the function reports an error, the process exits, or the invocation takes longer than `limit`.
    pub async fn handle(&mut self, request: String, event: Bytes, limit: Duration) -> Answer {
        let deadline = clock::epoch_millis() + u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let invocation = Invocation { request: request.clone(), event, deadline };
        let answer = self.seat.hand_over(invocation).await;
        tokio::select! {
            // Check the response first, because a process may exit right after it.
            biased;
            Ok(answer) = answer => answer,
            () = tokio::time::sleep(limit) => Err(Failure::timed_out(&request, limit)),
            Ok(status) = self.exit.wait_for(Option::is_some) => Err(if self.seat.is_taken() {
                Failure::exited(&request, &status.map(|status| status.to_string()).unwrap_or_default())
            } else {
                Failure::NotStarted
            }),
        }
    }
}

/// Owns the process until it exits or its instance is dropped.
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
