//! The part of Lambda's API that developers and tests use: `POST /2015-03-31/functions/{name}/invocations`, which
//! `cargo lambda invoke` calls. `GET /2015-03-31/functions/{name}/instances` lists the process IDs of the running
//! instances; AWS has no such endpoint.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;

use super::{failure::Failure, functions::Lambda};

pub fn router(lambda: Arc<Lambda>) -> Router {
    Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .route("/2015-03-31/functions/{name}/instances", get(instances))
        .layer(DefaultBodyLimit::disable())
        .with_state(lambda)
}

async fn invoke(
    State(lambda): State<Arc<Lambda>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    event: Bytes,
) -> Response {
    // An empty payload means `null` (Lambda API reference, Invoke).
    let event = if event.is_empty() { Bytes::from_static(b"null") } else { event };
    if headers.get("x-amz-invocation-type").is_some_and(|kind| kind == "Event") {
        tokio::spawn(async move { lambda.invoke(&name, event).await });
        return StatusCode::ACCEPTED.into_response();
    }
    let is_json = [(header::CONTENT_TYPE, "application/json")];
    match lambda.invoke(&name, event).await {
        Ok(answer) => (is_json, answer).into_response(),
        Err(Failure::Function { payload, .. }) => {
            (is_json, [("x-amz-function-error", "Unhandled")], payload).into_response()
        }
        Err(Failure::UnknownFunction) => {
            refuse(StatusCode::NOT_FOUND, "ResourceNotFoundException", &format!("Function not found: {name}"))
        }
        Err(Failure::PayloadTooLarge) => refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestTooLargeException",
            "Request must be smaller than 6291456 bytes",
        ),
        Err(Failure::TooManyRequests | Failure::NotStarted) => {
            refuse(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded.")
        }
    }
}

fn refuse(status: StatusCode, kind: &str, message: &str) -> Response {
    (status, [("x-amzn-errortype", kind.to_owned())], Json(json!({ "Type": "User", "Message": message })))
        .into_response()
}

async fn instances(State(lambda): State<Arc<Lambda>>, Path(name): Path<String>) -> Response {
    match lambda.processes(&name) {
        Some(processes) => Json(processes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
