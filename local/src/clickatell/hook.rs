//! The hook of a sender: what an operator's own adapter would do.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    faults::{Channel, Mode},
    message::Message,
    sandbox::Shared,
};
use crate::{
    cut_off::{HANG, SLOW, cut_off},
    sms::Api,
};

#[derive(Deserialize)]
struct Request {
    to: String,
    content: String,
    reference: String,
}

pub async fn receive(State(sandbox): State<Shared>, headers: HeaderMap, body: String) -> Response {
    let is_signed =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].iter().all(|name| headers.contains_key(*name));
    let Ok(Request { to, content, reference }) = serde_json::from_str(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let mode = sandbox.strike(Channel::Hook, &to, &headers);
    if !is_signed || mode == Mode::BadKey {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let refuse = |status: StatusCode, code: &str| (status, Json(json!({ "code": code }))).into_response();
    match mode {
        Mode::Slow => tokio::time::sleep(SLOW).await,
        Mode::Hang => {
            tokio::time::sleep(HANG).await;
            return cut_off();
        }
        Mode::ConnectionReset => return cut_off(),
        Mode::Unavailable503 => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Mode::RateLimited => return StatusCode::TOO_MANY_REQUESTS.into_response(),
        Mode::NoCredit => return refuse(StatusCode::PAYMENT_REQUIRED, "no_credit"),
        Mode::InvalidDestination => return refuse(StatusCode::UNPROCESSABLE_ENTITY, "invalid_number"),
        Mode::OptedOut => return refuse(StatusCode::UNPROCESSABLE_ENTITY, "opted_out"),
        Mode::UnknownError999 => return refuse(StatusCode::BAD_REQUEST, "999"),
        Mode::Html502 => return (StatusCode::BAD_GATEWAY, Html("<html><h1>Bad gateway</h1></html>")).into_response(),
        Mode::ErrorWith200 => return (StatusCode::OK, Json(json!({ "error": "no id" }))).into_response(),
        _ => {}
    }
    let message = Message { to, content, from: None, client_message_id: Some(reference) };
    let sms = sandbox.receive(Api::Hook, message);
    if mode == Mode::DropAfterAccept {
        return cut_off();
    }
    (StatusCode::ACCEPTED, Json(json!({ "message_id": sms.api_message_id }))).into_response()
}
