//! A stand-in for Clickatell: both POST APIs, the balance query, status callbacks, faults on demand, and an inbox.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{
        Html, IntoResponse, Redirect, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use futures_util::stream::{self, Stream};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use twostep::{
    clock::{Clock, SystemClock},
    entropy,
};

use crate::{
    http_client::http_client,
    inbox::{self, Inbox, Status},
    sms::{Api, Sms},
};

/// The key that the laptop begins with. Any other works too, unless a fault refuses it.
pub const API_KEY: &str = "sandbox-key==";

const SLOW: Duration = Duration::from_secs(3);
const HANG: Duration = Duration::from_secs(60);
/// How long a message takes to the handset.
const TRAVEL: Duration = Duration::from_millis(300);
const LATE: Duration = Duration::from_secs(5);
const CALLBACK_TRIES: u32 = 5;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    None,
    Slow,
    Hang,
    DropAfterAccept,
    ConnectionReset,
    #[serde(rename = "unavailable_503")]
    Unavailable503,
    RateLimited,
    BadKey,
    NoCredit,
    InvalidDestination,
    OptedOut,
    #[serde(rename = "unknown_error_999")]
    UnknownError999,
    #[serde(rename = "html_502")]
    Html502,
    #[serde(rename = "error_with_200")]
    ErrorWith200,
    DeliveryFailed,
    DuplicateCallbacks,
    LateCallbacks,
    /// The handset's way is told by hand, with the inbox page's buttons.
    NoCallbacks,
}

/// What goes wrong, for which number (all, if none is named), and how often (always, if no count is given).
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    mode: Mode,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    count: Option<u32>,
    /// `bad_key` for one key only.
    #[serde(default)]
    key: Option<String>,
}

struct Sandbox {
    inbox: Inbox,
    fault: Mutex<Fault>,
    callback_url: String,
    client: reqwest::Client,
}

type Shared = Arc<Sandbox>;

/// # Panics
/// When the listener fails.
pub async fn serve(listener: TcpListener, callback_url: String) {
    let sandbox = Arc::new(Sandbox {
        inbox: Inbox::default(),
        fault: Mutex::default(),
        callback_url,
        client: http_client(Duration::from_secs(10)),
    });
    let app = Router::new()
        .route("/", get(|| async { Redirect::temporary("/inbox") }))
        .route("/messages", post(rest))
        .route("/v1/message", post(one))
        .route("/public-client/balance", get(balance))
        .route("/v1/balance", get(balance))
        .route("/inbox", get(inbox).delete(empty_inbox))
        .route("/inbox/events", get(inbox_events))
        .route("/inbox/style.css", get(inbox::style))
        .route("/inbox/script.js", get(inbox::script))
        .route("/inbox/{api_message_id}/status", post(set_status))
        .route("/faults", get(fault).put(set_fault))
        .with_state(sandbox);
    axum::serve(listener, app).await.expect("serving does not end");
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestRequest {
    to: Vec<String>,
    content: String,
    from: Option<String>,
    client_message_id: Option<String>,
}

#[derive(Deserialize)]
struct OneRequest {
    messages: Vec<OneMessage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OneMessage {
    to: String,
    content: String,
    from: Option<String>,
    client_message_id: Option<String>,
}

async fn rest(State(sandbox): State<Shared>, headers: HeaderMap, body: String) -> Response {
    let Ok(request) = serde_json::from_str::<RestRequest>(&body) else {
        return Api::Rest.refuse(400, 100, "Data malformed.", None);
    };
    let RestRequest { to, content, from, client_message_id } = request;
    let mut recipients = to;
    recipients.dedup();
    let messages = recipients.into_iter().map(|to| {
        let (content, from, client_message_id) = (content.clone(), from.clone(), client_message_id.clone());
        OneMessage { to, content, from, client_message_id }
    });
    accept(sandbox, Api::Rest, &headers, messages.collect()).await
}

async fn one(State(sandbox): State<Shared>, headers: HeaderMap, body: String) -> Response {
    match serde_json::from_str::<OneRequest>(&body) {
        Ok(request) => accept(sandbox, Api::One, &headers, request.messages).await,
        Err(_) => Api::One.refuse(400, 21, "Payload data is malformed", None),
    }
}

async fn accept(sandbox: Shared, api: Api, headers: &HeaderMap, messages: Vec<OneMessage>) -> Response {
    let to = messages.first().map(|message| message.to.clone()).unwrap_or_default();
    let mode = sandbox.fault_for(&to, headers);
    if !has_key(headers) || mode == Mode::BadKey {
        return match api {
            Api::Rest => api.refuse(200, 108, "Invalid or missing integration API Key.", None),
            Api::One => api.refuse(401, 1, "Invalid or missing integration API Key", None),
        };
    }
    let rest = api == Api::Rest;
    match mode {
        Mode::Slow => tokio::time::sleep(SLOW).await,
        Mode::Hang => {
            tokio::time::sleep(HANG).await;
            return cut_off();
        }
        Mode::ConnectionReset => return cut_off(),
        Mode::Unavailable503 if rest => return api.refuse(503, 901, "Internal error, please retry", None),
        Mode::Unavailable503 => return api.refuse(503, 19, "Internal error, please retry", None),
        Mode::RateLimited if rest => return (StatusCode::TOO_MANY_REQUESTS, "Too many requests").into_response(),
        Mode::RateLimited => return api.refuse(400, 43, "Rate limit", None),
        Mode::NoCredit if rest => return api.refuse(402, 301, "No credit left", None),
        Mode::NoCredit => return api.refuse(402, 20, "Insufficient account balance", Some(&to)),
        Mode::InvalidDestination if rest => return api.refuse(202, 105, "Invalid destination address.", Some(&to)),
        Mode::InvalidDestination => return api.refuse(400, 25, "Invalid recipient address", Some(&to)),
        Mode::OptedOut if rest => return api.refuse(202, 122, "Destination mobile opted out", Some(&to)),
        Mode::OptedOut => return api.refuse(400, 26, "Recipient opted out", Some(&to)),
        Mode::UnknownError999 => return api.refuse(400, 999, "A code that is in no table", Some(&to)),
        Mode::Html502 => return (StatusCode::BAD_GATEWAY, Html("<html><h1>Bad gateway</h1></html>")).into_response(),
        Mode::ErrorWith200 => return api.refuse(200, if rest { 106 } else { 45 }, "Invalid FROM number.", None),
        _ => {}
    }
    let mut accepted = Vec::new();
    for message in messages {
        let sms = sandbox.receive(api, message);
        accepted.push(match api {
            Api::Rest => json!({"apiMessageId": sms.api_message_id, "accepted": true, "to": sms.to, "errorCode": null, "error": null, "errorDescription": null}),
            Api::One => json!({"apiMessageId": sms.api_message_id, "accepted": true, "to": sms.to, "error": null}),
        });
        tokio::spawn(report(Arc::clone(&sandbox), sms, mode));
    }
    if mode == Mode::DropAfterAccept {
        return cut_off();
    }
    (StatusCode::ACCEPTED, Json(json!({ "messages": accepted, "error": null }))).into_response()
}

impl Api {
    /// The error's shape in each API; `to` makes it one of a message instead of the whole request.
    fn refuse(self, status: u16, code: u32, error: &str, to: Option<&str>) -> Response {
        let body = match (self, to) {
            (Self::Rest, None) => json!({"messages": [], "errorCode": code, "error": error, "errorDescription": error}),
            (Self::Rest, Some(to)) => {
                json!({"messages": [{"apiMessageId": null, "accepted": false, "to": to, "errorCode": code, "error": error, "errorDescription": error}], "errorCode": null, "error": null, "errorDescription": null})
            }
            (Self::One, None) => json!({"error": {"code": code, "description": error}}),
            (Self::One, Some(to)) => {
                json!({"messages": [{"accepted": false, "to": to, "error": {"code": code, "description": error}}], "error": null})
            }
        };
        (StatusCode::from_u16(status).unwrap_or_default(), Json(body)).into_response()
    }

    fn callback(self, sms: &Sms, step: Step) -> Value {
        let timestamp = SystemClock.now().0 * 1000;
        let (code, status) = match (self, step) {
            (Self::Rest, Step::Sent) => (3, "DELIVERED_TO_GATEWAY"),
            (Self::Rest, Step::Delivered) => (4, "RECEIVED_BY_RECIPIENT"),
            (Self::Rest, Step::Failed) => (7, "ERROR_DELIVERING"),
            (Self::One, Step::Sent) => (4, "SENT_TO_SUPPLIER"),
            (Self::One, Step::Delivered) => (5, "DEVICE_ACK"),
            (Self::One, Step::Failed) => (23, "DELIVERY_FAILURE"),
        };
        let (id, reference) = (&sms.api_message_id, &sms.client_message_id);
        match self {
            Self::Rest => {
                json!({"integrationName": "sandbox", "messageId": id, "requestId": id, "clientMessageId": reference, "to": sms.to, "from": sms.from, "statusCode": code, "status": status, "statusDescription": status, "timestamp": timestamp})
            }
            Self::One => {
                json!({"integrationId": "sandbox", "integrationName": "sandbox", "event": {"messageStatusUpdate": [{"channel": "sms", "messageId": id, "clientMessageId": reference, "timestamp": timestamp, "statusCode": code, "status": status}]}})
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Step {
    Sent,
    Delivered,
    Failed,
}

/// Reports a message's way as Clickatell does: in order or, with the fault, late, twice and out of order.
async fn report(sandbox: Shared, sms: Sms, mode: Mode) {
    if mode == Mode::NoCallbacks {
        return;
    }
    let last = if mode == Mode::DeliveryFailed { Step::Failed } else { Step::Delivered };
    let (steps, repeat) = match mode {
        Mode::LateCallbacks => ([last, Step::Sent], 1),
        Mode::DuplicateCallbacks => ([Step::Sent, last], 2),
        _ => ([Step::Sent, last], 1),
    };
    if mode == Mode::LateCallbacks {
        tokio::time::sleep(LATE).await;
    }
    for step in steps {
        tokio::time::sleep(TRAVEL).await;
        for _ in 0..repeat {
            sandbox.report(&sms, step).await;
        }
    }
}

impl Sandbox {
    fn fault(&self) -> MutexGuard<'_, Fault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault_for(&self, to: &str, headers: &HeaderMap) -> Mode {
        let mut fault = self.fault();
        let is_meant =
            fault.to.as_deref().is_none_or(|meant| meant.trim_start_matches('+') == to.trim_start_matches('+'));
        let key = headers.get(header::AUTHORIZATION);
        let is_key_meant = fault.key.as_deref().is_none_or(|meant| key.is_some_and(|key| key == meant));
        if !is_meant || !is_key_meant {
            return Mode::None;
        }
        let mode = fault.mode;
        if let Some(count) = &mut fault.count {
            *count = count.saturating_sub(1);
            if *count == 0 {
                *fault = Fault::default();
            }
            self.inbox.changed();
        }
        mode
    }

    fn receive(&self, api: Api, message: OneMessage) -> Sms {
        let sms = Sms {
            to: message.to.trim_start_matches('+').to_owned(),
            content: message.content,
            from: message.from,
            received_at: SystemClock.now().rfc3339(),
            api_message_id: format!("{:032x}", entropy::system().random::<u128>()),
            client_message_id: message.client_message_id,
            api,
        };
        self.inbox.receive(sms.clone());
        sms
    }

    /// Reports one step of a message's way, and shows it. Says whether the service took the report.
    async fn report(&self, sms: &Sms, step: Step) -> bool {
        let status = match step {
            Step::Sent => Status::Sent,
            Step::Delivered => Status::Delivered,
            Step::Failed => Status::Failed,
        };
        self.inbox.set_status(&sms.api_message_id, status);
        self.call_back(&sms.api.callback(sms, step)).await
    }

    /// Anything but a 2xx is tried again, as Clickatell does.
    async fn call_back(&self, body: &Value) -> bool {
        for attempt in 0..CALLBACK_TRIES {
            let answer = self.client.post(&self.callback_url).json(body).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return true;
            }
            tokio::time::sleep(TRAVEL * 2_u32.pow(attempt)).await;
        }
        false
    }
}

fn has_key(headers: &HeaderMap) -> bool {
    headers.get(header::AUTHORIZATION).is_some_and(|key| !key.is_empty())
}

/// An answer that breaks off: the caller cannot know what became of its request.
fn cut_off() -> Response {
    let broken = futures_util::stream::once(async { Err::<Vec<u8>, _>(std::io::Error::other("cut off")) });
    Body::from_stream(broken).into_response()
}

async fn balance(State(sandbox): State<Shared>, headers: HeaderMap) -> Response {
    let mode = sandbox.fault_for("", &headers);
    if matches!(mode, Mode::Unavailable503 | Mode::ConnectionReset | Mode::Hang) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if mode == Mode::Html502 {
        return (StatusCode::BAD_GATEWAY, Html("<html><h1>Bad gateway</h1></html>")).into_response();
    }
    if has_key(&headers) && mode != Mode::BadKey {
        Json(json!({ "balance": 1267.92865, "currency": "EUR" })).into_response()
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

#[derive(Deserialize)]
struct InboxFilter {
    to: Option<String>,
}

async fn inbox(State(sandbox): State<Shared>, Query(filter): Query<InboxFilter>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accept.contains("application/json") {
        return inbox::page();
    }
    Json(sandbox.inbox.list(filter.to.as_deref())).into_response()
}

/// What the page shows, once at the beginning and again after every change.
async fn inbox_events(
    State(sandbox): State<Shared>,
    Query(filter): Query<InboxFilter>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = sandbox.inbox.watch();
    let events = stream::unfold((sandbox, changes, filter), async |(sandbox, mut changes, filter)| {
        changes.changed().await.ok()?;
        let fault = sandbox.fault().clone();
        let view = json!({"messages": sandbox.inbox.shown(filter.to.as_deref()), "fault": fault});
        Some((Ok(Event::default().event("inbox").data(view.to_string())), (sandbox, changes, filter)))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusReport {
    status: Outcome,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Delivered,
    Failed,
}

/// Reports what became of a message, as its handset would.
async fn set_status(State(sandbox): State<Shared>, Path(id): Path<String>, body: String) -> StatusCode {
    let Ok(report) = serde_json::from_str::<StatusReport>(&body) else { return StatusCode::BAD_REQUEST };
    let Some(sms) = sandbox.inbox.find(&id) else { return StatusCode::NOT_FOUND };
    let step = match report.status {
        Outcome::Delivered => Step::Delivered,
        Outcome::Failed => Step::Failed,
    };
    if sandbox.report(&sms, step).await { StatusCode::NO_CONTENT } else { StatusCode::BAD_GATEWAY }
}

async fn empty_inbox(State(sandbox): State<Shared>) -> StatusCode {
    sandbox.inbox.clear();
    StatusCode::NO_CONTENT
}

async fn fault(State(sandbox): State<Shared>) -> Response {
    let fault = sandbox.fault().clone();
    Json(fault).into_response()
}

async fn set_fault(State(sandbox): State<Shared>, body: String) -> Response {
    match serde_json::from_str::<Fault>(&body) {
        Ok(fault) => {
            *sandbox.fault() = fault.clone();
            sandbox.inbox.changed();
            Json(fault).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}
