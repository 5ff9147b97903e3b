//! One function: a bounded queue in front of at most `concurrency` instances.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use axum::body::Bytes;
use tokio::{
    sync::{Semaphore, mpsc::UnboundedSender},
    time::timeout,
};

use super::{
    failure::Failure,
    instance::{Instance, Processes},
    seats::{Answer, Seats},
};
use crate::identifier::uuid;

/// How many invocations may wait for an instance. Further ones are rejected, as Lambda rejects invocations beyond a
/// function's concurrency. A laptop has few instances, so some invocations must wait.
const MOST_WAITING: usize = 200;

/// How long an event may take in total, waiting and running. It is less than the gateway's timeout, so a request that
/// the gateway rejects was never started, unless its process took many seconds to start. Every event may wait at least
/// [`SHORTEST_WAIT`].
const LONGEST_ANSWER: Duration = Duration::from_secs(29);
const SHORTEST_WAIT: Duration = Duration::from_secs(5);

/// Lambda's payload quota for synchronous invocations, in bytes, for requests and for responses.
const LARGEST_PAYLOAD: usize = 6 * 1024 * 1024;

pub struct Function {
    name: String,
    place: Place,
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    idle: Mutex<Vec<Instance>>,
    processes: Processes,
    first_use: Once,
}

/// What a function needs to run.
pub struct Place {
    pub binary: PathBuf,
    pub environment: Vec<(String, String)>,
    pub timeout: Duration,
    /// How many processes may run at once.
    pub concurrency: usize,
    /// URL of the runtime API, such as `http://127.0.0.1:1234`.
    pub runtime_url: String,
    pub seats: Seats,
    /// Receives the function's name at its first invocation.
    pub used: UnboundedSender<String>,
}

impl Function {
    #[must_use]
    pub fn new(name: String, place: Place) -> Self {
        let slots = Arc::new(Semaphore::new(place.concurrency));
        Self {
            name,
            place,
            slots,
            waiting: AtomicUsize::new(0),
            idle: Mutex::default(),
            processes: Processes::default(),
            first_use: Once::new(),
        }
    }

    /// Runs one event in an instance. Dropping the future while the event waits removes it from the queue. An event
    /// that an instance has started runs to its end without its caller, as on Lambda.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn invoke(self: &Arc<Self>, event: Bytes) -> Answer {
        if event.len() > LARGEST_PAYLOAD {
            return Err(Failure::PayloadTooLarge);
        }
        self.first_use.call_once(|| drop(self.place.used.send(self.name.clone())));
        let longest_wait = LONGEST_ANSWER.saturating_sub(self.place.timeout).max(SHORTEST_WAIT);
        let slot = {
            let _turn = Turn::take(&self.waiting).ok_or(Failure::TooManyRequests)?;
            let slot = timeout(longest_wait, Arc::clone(&self.slots).acquire_owned()).await;
            slot.ok().and_then(Result::ok).ok_or(Failure::TooManyRequests)?
        };
        let function = Arc::clone(self);
        let running = tokio::spawn(async move {
            let answer = function.run(event).await;
            drop(slot);
            answer
        });
        running.await.unwrap_or_else(|error| Err(Failure::init(&error.to_string())))
    }

    /// The process IDs of the running instances.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    async fn run(&self, event: Bytes) -> Answer {
        let (instance, answer) = loop {
            let mut instance = match self.take_idle() {
                Some(instance) => instance,
                None => self.start().await?,
            };
            // If the process was killed while idle, another instance takes the event.
            match instance.handle(uuid(), event.clone(), self.place.timeout).await {
                Err(Failure::NotStarted) => {}
                answer => break (instance, answer),
            }
        };
        let ends = matches!(answer, Err(Failure::Function { ends_instance: true, .. }));
        if !ends {
            self.idle().push(instance);
        }
        match answer {
            Ok(payload) if payload.len() > LARGEST_PAYLOAD => Err(Failure::answer_too_large(payload.len())),
            answer => answer,
        }
    }

    /// The most recently used instance, so that few stay warm under low load. Drops the instances of an earlier build.
    fn take_idle(&self) -> Option<Instance> {
        let build = self.build();
        let mut idle = self.idle();
        idle.retain(|instance| instance.is_alive() && instance.build == build);
        idle.pop()
    }

    async fn start(&self) -> Result<Instance, Failure> {
        let id = uuid();
        let seat = self.place.seats.add(&id);
        let mut environment = self.place.environment.clone();
        environment.push(("AWS_LAMBDA_RUNTIME_API".to_owned(), format!("{}/{id}", self.place.runtime_url)));
        let build = self.build();
        Instance::start(&self.place.binary, &environment, seat, build, Arc::clone(&self.processes)).await
    }

    /// The binary's modification time.
    fn build(&self) -> Option<SystemTime> {
        fs::metadata(&self.place.binary).and_then(|file| file.modified()).ok()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Instance>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue.
struct Turn<'a>(&'a AtomicUsize);

impl<'a> Turn<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let free = |waiting: usize| (waiting < MOST_WAITING).then_some(waiting + 1);
        waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, free).ok().map(|_| Self(waiting))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
