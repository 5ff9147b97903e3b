//! A proxy between the functions and DynamoDB. It records the calls of each function, and makes DynamoDB misbehave.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tokio::{net::TcpListener, time::Instant};

/// One call of a function, as `operation table`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub function: String,
    pub call: String,
    pub units: Units,
}

/// Calls, and the read and write units that DynamoDB charges for items of at most one kilobyte. All reads are strongly
/// consistent, and a transaction counts each of its writes twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Units {
    pub calls: usize,
    pub reads: usize,
    pub writes: usize,
}

impl std::ops::Add for Units {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { calls: self.calls + other.calls, reads: self.reads + other.reads, writes: self.writes + other.writes }
    }
}

/// How DynamoDB misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It answers 500 and does nothing.
    Fail,
    /// It does what was asked for, and the response is lost.
    LoseAnswer,
    /// It answers late.
    Delay(Duration),
}

/// DynamoDB misbehaves towards `count` calls, after it has done well by `skip` of them.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Of this function only; empty for all.
    pub function: &'static str,
    /// The beginning of the call, as in [`Call::call`].
    pub call: &'static str,
    pub mode: Mode,
    pub skip: usize,
    pub count: usize,
}

impl Fault {
    /// Whether the fault affects this call.
    fn strikes(&mut self, call: &Call) -> bool {
        let is_meant = self.function.is_empty() || self.function == call.function;
        if self.count == 0 || !is_meant || !call.call.starts_with(self.call) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.count -= 1;
        true
    }
}

#[derive(Clone)]
pub struct Backend {
    port: u16,
    state: Arc<Behind>,
}

struct Behind {
    dynamodb: String,
    http: reqwest::Client,
    calls: Mutex<Vec<Call>>,
    /// When each call of a function began and ended.
    spans: Mutex<Vec<(String, Instant, Instant)>>,
    faults: Mutex<Vec<Fault>>,
    lost: AtomicUsize,
}

impl Backend {
    /// Accepts the functions' calls and forwards them to the DynamoDB on `port`.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let own = listener.local_addr().expect("bound").port();
        let state = Arc::new(Behind {
            dynamodb: format!("http://localhost:{port}"),
            http: crate::http(),
            calls: Mutex::default(),
            spans: Mutex::default(),
            faults: Mutex::default(),
            lost: AtomicUsize::new(0),
        });
        let app = Router::new().fallback(hand_on).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { port: own, state }
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The calls of `function` that ended since the last query.
    #[allow(clippy::must_use_candidate, reason = "asking also forgets")]
    pub fn calls_of(&self, function: &str) -> Vec<String> {
        let mut calls = lock(&self.state.calls);
        let mut own: Vec<String> =
            calls.iter().filter(|call| call.function == function).map(|call| call.call.clone()).collect();
        calls.retain(|call| call.function != function);
        // Parallel calls arrive in any order.
        own.sort();
        own
    }

    /// The calls of all functions since the last query.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut *lock(&self.state.calls))
    }

    /// Drops the responses to the next `count` transactions, after the writes.
    pub fn lose_answers(&self, count: usize) {
        self.inject(Fault { function: "", call: "TransactWriteItems", mode: Mode::LoseAnswer, skip: 0, count });
    }

    pub fn inject(&self, fault: Fault) {
        lock(&self.state.faults).push(fault);
    }

    /// Ends all faults.
    pub fn heal(&self) {
        lock(&self.state.faults).clear();
    }

    /// How many calls of `function` since the last query waited for one another: the length of the longest chain in which
    /// each call began after the one before had ended.
    #[must_use]
    pub fn rounds_of(&self, function: &str) -> usize {
        let mut spans: Vec<(Instant, Instant)> = Vec::new();
        lock(&self.state.spans).retain(|(of, began, ended)| {
            let is_own = of == function;
            if is_own {
                spans.push((*began, *ended));
            }
            !is_own
        });
        spans.sort_by_key(|(_, ended)| *ended);
        let mut last: Option<Instant> = None;
        spans.into_iter().fold(0, |rounds, (began, ended)| {
            if last.is_some_and(|last| began < last) {
                return rounds;
            }
            last = Some(ended);
            rounds + 1
        })
    }

    #[must_use]
    pub fn lost(&self) -> usize {
        self.state.lost.load(Ordering::SeqCst)
    }
}

async fn hand_on(State(state): State<Arc<Behind>>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let operation = text("x-amz-target").rsplit('.').next().unwrap_or_default().to_owned();
    let agent = text("user-agent");
    let function = agent.split("app/").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default().to_owned();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let call = Call { function, call: format!("{operation} {}", tables(&asked)), units: units(&operation, &asked) };
    let fault = lock(&state.faults).iter_mut().find_map(|fault| fault.strikes(&call).then_some(fault.mode));
    let (function, began) = (call.function.clone(), Instant::now());
    let answer = answer(&state, headers, body, fault).await;
    lock(&state.calls).push(call);
    lock(&state.spans).push((function, began, Instant::now()));
    answer
}

async fn answer(state: &Behind, headers: HeaderMap, body: Bytes, fault: Option<Mode>) -> Response {
    match fault {
        Some(Mode::Fail) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Mode::Delay(delay)) => tokio::time::sleep(delay).await,
        Some(Mode::LoseAnswer) | None => {}
    }

    let mut request = state.http.post(&state.dynamodb).body(body);
    for (name, value) in headers.iter().filter(|(name, _)| *name != "host" && *name != "content-length") {
        request = request.header(name, value);
    }
    let Ok(answer) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.bytes().await.unwrap_or_default();
    if fault == Some(Mode::LoseAnswer) {
        state.lost.fetch_add(1, Ordering::SeqCst);
        let broken = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("lost")) });
        return Body::from_stream(broken).into_response();
    }
    let mut response = (status, body).into_response();
    *response.headers_mut() = headers;
    response
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tables(body: &Value) -> String {
    if let Some(table) = body["TableName"].as_str() {
        return table.to_owned();
    }
    let items = body["TransactItems"].as_array().into_iter().flatten();
    let each = items.filter_map(|item| {
        let (kind, item) = item.as_object()?.iter().next()?;
        Some(format!("{kind}:{}", item["TableName"].as_str()?))
    });
    each.collect::<Vec<_>>().join("+")
}

fn units(operation: &str, body: &Value) -> Units {
    let count = |list: &Value| list.as_array().map_or(0, Vec::len);
    let units = |reads, writes| Units { calls: 1, reads, writes };
    match operation {
        "GetItem" => units(1, 0),
        "BatchGetItem" => {
            let tables = body["RequestItems"].as_object().into_iter().flatten();
            units(tables.map(|(_, request)| count(&request["Keys"])).sum(), 0)
        }
        "PutItem" | "UpdateItem" | "DeleteItem" => units(0, 1),
        "TransactWriteItems" => units(0, 2 * count(&body["TransactItems"])),
        _ => Units::default(),
    }
}
