//! Clickatell's two POST APIs and its balance query.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    faults::{Channel, Mode},
    message::Message,
    reports,
    sandbox::Shared,
};
use crate::{
    cut_off::{HANG, SLOW, cut_off},
    sms::Api,
};

const LATE_ANSWER: Duration = Duration::from_secs(1);

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
    messages: Vec<Message>,
}

pub async fn rest(State(sandbox): State<Shared>, headers: HeaderMap, body: String) -> Response {
    let Ok(request) = serde_json::from_str::<RestRequest>(&body) else {
        return refuse(Api::Rest, 400, 100, "Data malformed.", None);
    };
    let RestRequest { to, content, from, client_message_id } = request;
    let mut recipients = to;
    recipients.dedup();
    let messages = recipients.into_iter().map(|to| {
        let (content, from, client_message_id) = (content.clone(), from.clone(), client_message_id.clone());
        Message { to, content, from, client_message_id }
    });
    accept(sandbox, Api::Rest, &headers, messages.collect()).await
}

pub async fn one(State(sandbox): State<Shared>, headers: HeaderMap, body: String) -> Response {
    match serde_json::from_str::<OneRequest>(&body) {
        Ok(request) => accept(sandbox, Api::One, &headers, request.messages).await,
        Err(_) => refuse(Api::One, 400, 21, "Payload data is malformed", None),
    }
}

async fn accept(sandbox: Shared, api: Api, headers: &HeaderMap, messages: Vec<Message>) -> Response {
    let to = messages.first().map(|message| message.to.clone()).unwrap_or_default();
    let mode = sandbox.strike(Channel::Sms, &to, headers);
    if !has_key(headers) || mode == Mode::BadKey {
        return match api {
            Api::Rest | Api::Hook => refuse(api, 200, 108, "Invalid or missing integration API Key.", None),
            Api::One => refuse(api, 401, 1, "Invalid or missing integration API Key", None),
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
        Mode::Unavailable503 if rest => return refuse(api, 503, 901, "Internal error, please retry", None),
        Mode::Unavailable503 => return refuse(api, 503, 19, "Internal error, please retry", None),
        Mode::RateLimited if rest => return (StatusCode::TOO_MANY_REQUESTS, "Too many requests").into_response(),
        Mode::RateLimited => return refuse(api, 400, 43, "Rate limit", None),
        Mode::NoCredit if rest => return refuse(api, 402, 301, "No credit left", None),
        Mode::NoCredit => return refuse(api, 402, 20, "Insufficient account balance", Some(&to)),
        Mode::InvalidDestination if rest => return refuse(api, 202, 105, "Invalid destination address.", Some(&to)),
        Mode::InvalidDestination => return refuse(api, 400, 25, "Invalid recipient address", Some(&to)),
        Mode::OptedOut if rest => return refuse(api, 202, 122, "Destination mobile opted out", Some(&to)),
        Mode::OptedOut => return refuse(api, 400, 26, "Recipient opted out", Some(&to)),
        Mode::UnknownError999 => return refuse(api, 400, 999, "A code that is in no table", Some(&to)),
        Mode::Html502 => return (StatusCode::BAD_GATEWAY, Html("<html><h1>Bad gateway</h1></html>")).into_response(),
        Mode::ErrorWith200 => return refuse(api, 200, if rest { 106 } else { 45 }, "Invalid FROM number.", None),
        _ => {}
    }
    let mut accepted = Vec::new();
    for message in messages {
        let sms = sandbox.receive(api, message);
        accepted.push(match api {
            Api::Rest | Api::Hook => json!({"apiMessageId": sms.api_message_id, "accepted": true, "to": sms.to, "errorCode": null, "error": null, "errorDescription": null}),
            Api::One => json!({"apiMessageId": sms.api_message_id, "accepted": true, "to": sms.to, "error": null}),
        });
        tokio::spawn(reports::follow(Arc::clone(&sandbox), sms, mode));
    }
    if mode == Mode::LateAnswer {
        tokio::time::sleep(LATE_ANSWER).await;
    }
    if mode == Mode::DropAfterAccept {
        return cut_off();
    }
    (StatusCode::ACCEPTED, Json(json!({ "messages": accepted, "error": null }))).into_response()
}

/// The error in each API's format. With `to`, the error concerns one message instead of the whole request.
fn refuse(api: Api, status: u16, code: u32, error: &str, to: Option<&str>) -> Response {
    let body = match (api, to) {
        (Api::Rest | Api::Hook, None) => {
            json!({"messages": [], "errorCode": code, "error": error, "errorDescription": error})
        }
        (Api::Rest | Api::Hook, Some(to)) => {
            json!({"messages": [{"apiMessageId": null, "accepted": false, "to": to, "errorCode": code, "error": error, "errorDescription": error}], "errorCode": null, "error": null, "errorDescription": null})
        }
        (Api::One, None) => json!({"error": {"code": code, "description": error}}),
        (Api::One, Some(to)) => {
            json!({"messages": [{"accepted": false, "to": to, "error": {"code": code, "description": error}}], "error": null})
        }
    };
    (StatusCode::from_u16(status).unwrap_or_default(), Json(body)).into_response()
}

fn has_key(headers: &HeaderMap) -> bool {
    headers.get(header::AUTHORIZATION).is_some_and(|key| !key.is_empty())
}

pub async fn balance(State(sandbox): State<Shared>, headers: HeaderMap) -> Response {
    let mode = sandbox.strike(Channel::Sms, "", &headers);
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
