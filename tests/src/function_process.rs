//! One process of a function under a Lambda runtime API of our own, which measures it. Linux only: CPU time and memory come
//! from `/proc`.

use std::{fs, process::Stdio, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::{Mutex, mpsc},
    time::{Instant, timeout},
};
use twostep_local::clock;

use crate::PATIENCE;

/// What a start takes, until the process asks for its first event.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    pub wall: Duration,
    pub cpu: Duration,
}

pub struct FunctionProcess {
    pub start: Start,
    child: Child,
    events: mpsc::UnboundedSender<String>,
    answers: mpsc::UnboundedReceiver<Bytes>,
    polls: mpsc::UnboundedReceiver<Instant>,
}

/// The other ends of a process's channels.
struct RuntimeApi {
    polled: mpsc::UnboundedSender<Instant>,
    events: Mutex<mpsc::UnboundedReceiver<String>>,
    answers: mpsc::UnboundedSender<Bytes>,
}

impl FunctionProcess {
    /// Runs `command` and waits for its first request for an event.
    ///
    /// # Panics
    /// If the process doesn't ask for an event.
    pub async fn start(mut command: Command) -> Self {
        let (polled, mut polls) = mpsc::unbounded_channel();
        let (events, taken) = mpsc::unbounded_channel();
        let (brought, answers) = mpsc::unbounded_channel();
        let app = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{request}/{end}", post(answer))
            .with_state(Arc::new(RuntimeApi { polled, events: taken.into(), answers: brought }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        command
            .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr().expect("bound").to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        tokio::spawn(async move { axum::serve(listener, app).await });
        let began = Instant::now();
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let ready = timeout(PATIENCE, polls.recv()).await.ok().flatten();
        let ready = ready.unwrap_or_else(|| panic!("{command:?} asks for no event"));
        let cpu = cpu_time(child.id().expect("it runs"));
        Self { start: Start { wall: ready - began, cpu }, child, events, answers, polls }
    }

    /// # Panics
    /// If there is no answer in JSON.
    pub async fn invoke(&mut self, event: &Value) -> Value {
        self.events.send(event.to_string()).expect("the process runs");
        let answer =
            timeout(PATIENCE, self.answers.recv()).await.expect("an answer in time").expect("the process runs");
        // The process is done when it asks again.
        timeout(PATIENCE, self.polls.recv()).await.expect("the next request");
        serde_json::from_slice(&answer).expect("JSON")
    }

    /// # Panics
    /// If the process has ended.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> Response {
    let _ = api.polled.send(Instant::now());
    let Some(event) = api.events.lock().await.recv().await else { return StatusCode::GONE.into_response() };
    let deadline = u128::from(clock::epoch_millis()) + PATIENCE.as_millis();
    let headers = [
        ("lambda-runtime-aws-request-id", "1".to_owned()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:local".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, event).into_response()
}

async fn answer(State(api): State<Arc<RuntimeApi>>, body: Bytes) -> StatusCode {
    let _ = api.answers.send(body);
    StatusCode::ACCEPTED
}

/// The CPU time that all threads of a process have used.
///
/// # Panics
/// If there is no such process, or no `/proc`.
#[must_use]
pub fn cpu_time(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("a running process, on Linux");
    // A thread can end meanwhile.
    let times = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok());
    times.filter_map(|time| time.split(' ').next()?.parse().ok()).map(Duration::from_nanos).sum()
}

/// The most memory that a process has used so far, in KiB.
///
/// # Panics
/// If there is no such process, or no `/proc`.
#[must_use]
pub fn peak_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a running process, on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
}
