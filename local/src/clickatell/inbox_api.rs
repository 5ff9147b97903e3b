//! The inbox over HTTP, for its page and for tests, and the current fault.

use std::convert::Infallible;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::json;

use super::{
    faults::Fault,
    reports::{self, Step},
    sandbox::Shared,
};
use crate::inbox;

#[derive(Deserialize)]
pub struct InboxFilter {
    to: Option<String>,
}

pub async fn list(State(sandbox): State<Shared>, Query(filter): Query<InboxFilter>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accept.contains("application/json") {
        return inbox::page();
    }
    Json(sandbox.inbox.list(filter.to.as_deref())).into_response()
}

/// Server-sent events with the page's content: once at the start, then after every change.
pub async fn events(
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

/// Sends a message's delivery report on demand.
pub async fn set_status(State(sandbox): State<Shared>, Path(id): Path<String>, body: String) -> StatusCode {
    let Ok(report) = serde_json::from_str::<StatusReport>(&body) else { return StatusCode::BAD_REQUEST };
    let Some(sms) = sandbox.inbox.find(&id) else { return StatusCode::NOT_FOUND };
    let step = match report.status {
        Outcome::Delivered => Step::Delivered,
        Outcome::Failed => Step::Failed,
    };
    if reports::report(&sandbox, &sms, step).await { StatusCode::NO_CONTENT } else { StatusCode::BAD_GATEWAY }
}

pub async fn empty(State(sandbox): State<Shared>) -> StatusCode {
    sandbox.inbox.clear();
    StatusCode::NO_CONTENT
}

pub async fn fault(State(sandbox): State<Shared>) -> Response {
    let fault = sandbox.fault().clone();
    Json(fault).into_response()
}

pub async fn set_fault(State(sandbox): State<Shared>, body: String) -> Response {
    match serde_json::from_str::<Fault>(&body) {
        Ok(fault) => {
            *sandbox.fault() = fault.clone();
            sandbox.inbox.changed();
            Json(fault).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}
