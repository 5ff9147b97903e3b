//! Stand-in for Amazon SES, API version 2: `SendEmail` with a simple message. Emails arrive in the inbox.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{Html, IntoResponse, Response},
    routing::post,
};
use rand::RngExt;
use serde::Deserialize;
use serde_json::json;
use twostep_domain::{email::Sender, time::Clock};
use twostep_runtime::{clock::SystemClock, entropy};

use crate::{
    clickatell::{Channel, Mode, Shared},
    cut_off::{HANG, SLOW, cut_off},
    email::Email,
};

/// SES's limit.
const MOST_RECIPIENTS: usize = 50;

#[derive(Clone)]
struct Ses {
    sandbox: Shared,
    /// The sender that SES has verified; `None` if email is off.
    verified: Option<Arc<Sender>>,
}

/// The part of a request that this stand-in supports. Everything else is refused.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SendEmail {
    from_email_address: String,
    destination: Destination,
    content: Content,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Destination {
    to_addresses: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Content {
    simple: Simple,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Simple {
    subject: Part,
    body: Body,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Body {
    text: Part,
    html: Option<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Part {
    data: String,
    #[serde(rename = "Charset")]
    _charset: Option<String>,
}

/// The route of SES, for the server of the sandbox.
pub fn router(sandbox: Shared, verified: Option<Sender>) -> Router {
    let ses = Ses { sandbox, verified: verified.map(Arc::new) };
    Router::new().route("/v2/email/outbound-emails", post(send)).with_state(ses)
}

async fn send(State(ses): State<Ses>, headers: HeaderMap, body: String) -> Response {
    let request = match serde_json::from_str::<SendEmail>(&body) {
        Ok(request) => request,
        Err(error) => return refuse(400, "BadRequestException", &error.to_string()),
    };
    let SendEmail { from_email_address: from, destination: Destination { to_addresses }, content } = request;
    let recipients = 1..=MOST_RECIPIENTS;
    let (Some(to), true) = (to_addresses.first().cloned(), recipients.contains(&to_addresses.len())) else {
        return refuse(400, "BadRequestException", "Recipient count is out of bounds.");
    };
    let Ok(sender) = Sender::parse(&from) else {
        return refuse(400, "BadRequestException", "Invalid from address.");
    };
    if ses.verified.as_ref().is_none_or(|verified| verified.address != sender.address) {
        return refuse(400, "MessageRejected", "Email address is not verified.");
    }
    let mode = ses.sandbox.strike(Channel::Email, &to, &headers);
    match mode {
        Mode::Slow => tokio::time::sleep(SLOW).await,
        Mode::Hang => {
            tokio::time::sleep(HANG).await;
            return cut_off();
        }
        Mode::ConnectionReset => return cut_off(),
        Mode::Unavailable503 => return refuse(503, "ServiceUnavailable", "Service unavailable."),
        Mode::RateLimited => return refuse(429, "TooManyRequestsException", "Maximum sending rate exceeded."),
        Mode::BadKey => {
            return refuse(
                403,
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            );
        }
        Mode::NoCredit => return refuse(400, "SendingPausedException", "Sending is paused for this account."),
        Mode::InvalidDestination => return refuse(400, "BadRequestException", "Illegal address."),
        Mode::OptedOut => return refuse(400, "MessageRejected", "Email address is not verified."),
        Mode::UnknownError999 => return refuse(400, "UnknownException999", "An error that is in no table."),
        Mode::Html502 => return (StatusCode::BAD_GATEWAY, Html("<html><h1>Bad gateway</h1></html>")).into_response(),
        Mode::ErrorWith200 => return Json(json!({})).into_response(),
        _ => {}
    }
    let Simple { subject, body: Body { text, html } } = content.simple;
    let message_id = format!("{:032x}", entropy::system().random::<u128>());
    for to in to_addresses {
        ses.sandbox.inbox.receive_email(Email {
            to,
            from: from.clone(),
            subject: subject.data.clone(),
            content: text.data.clone(),
            html: html.as_ref().map(|html| html.data.clone()),
            received_at: SystemClock.now().rfc3339(),
            message_id: message_id.clone(),
        });
    }
    if mode == Mode::DropAfterAccept {
        return cut_off();
    }
    Json(json!({ "MessageId": message_id })).into_response()
}

/// An error in the format of AWS's REST JSON protocol.
fn refuse(status: u16, code: &'static str, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or_default();
    (status, [("x-amzn-errortype", code)], Json(json!({ "message": message }))).into_response()
}
