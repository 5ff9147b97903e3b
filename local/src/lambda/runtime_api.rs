//! Lambda's runtime API (version 2018-06-01), where a function's process requests events and sends its responses. Each
//! instance has its own base path, `/{instance}/2018-06-01/…`.

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{failure::Failure, seats::Seats};
use crate::arn;

pub fn router(seats: Seats) -> Router {
    Router::new()
        .route("/{instance}/2018-06-01/runtime/invocation/next", get(next))
        .route("/{instance}/2018-06-01/runtime/invocation/{request}/response", post(response))
        .route("/{instance}/2018-06-01/runtime/invocation/{request}/error", post(error))
        .route("/{instance}/2018-06-01/runtime/init/error", post(init_error))
        .layer(DefaultBodyLimit::disable())
        .with_state(seats)
}

async fn next(State(seats): State<Seats>, Path(instance): Path<String>) -> Response {
    // Don't hold a strong reference: it would keep an ended instance's seat while its last request hangs here.
    let Some(seat) = seats.find(&instance) else { return StatusCode::GONE.into_response() };
    let Some(invocation) = seat.next().await else { return StatusCode::GONE.into_response() };
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set("lambda-runtime-aws-request-id", &invocation.request);
    set("lambda-runtime-deadline-ms", &invocation.deadline.to_string());
    set("lambda-runtime-invoked-function-arn", &arn::regional("lambda", "function:local"));
    set("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000;Sampled=0");
    set("content-type", "application/json");
    (headers, invocation.event).into_response()
}

async fn response(
    State(seats): State<Seats>,
    Path((instance, request)): Path<(String, String)>,
    body: Bytes,
) -> StatusCode {
    accepted(seats.find(&instance).is_some_and(|seat| seat.answer(&request, Ok(body))))
}

async fn error(
    State(seats): State<Seats>,
    Path((instance, request)): Path<(String, String)>,
    body: Bytes,
) -> StatusCode {
    accepted(seats.find(&instance).is_some_and(|seat| seat.answer(&request, Err(Failure::function(body)))))
}

/// The process reports why it can't start. The report is only logged, because the process exits right after it.
async fn init_error(Path(_): Path<String>, body: String) -> StatusCode {
    eprintln!("twostep-local: a function can't start: {body}");
    StatusCode::ACCEPTED
}

fn accepted(known: bool) -> StatusCode {
    if known { StatusCode::ACCEPTED } else { StatusCode::BAD_REQUEST }
}
