//! Stand-in for Clickatell: both POST APIs, the balance query, delivery reports, faults on demand, and an inbox. Beside it, the
//! hook of another sender.

mod faults;
mod hook;
mod inbox_api;
mod message;
mod reports;
mod sandbox;
mod wire;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    response::Redirect,
    routing::{get, post},
};
pub use faults::{Channel, Mode};
use sandbox::Sandbox;
pub use sandbox::Shared;

use crate::{http_client::http_client, inbox};

/// The initial API key. Any other key works too, unless a fault rejects it.
pub const API_KEY: &str = "sandbox-key==";

/// The state of the sandbox. Delivery reports go to `callback_url`, or nowhere if it is empty.
#[must_use]
pub fn sandbox(callback_url: String) -> Shared {
    Arc::new(Sandbox::new(callback_url, http_client(Duration::from_secs(10))))
}

/// The routes of Clickatell and of the inbox.
pub fn router(sandbox: Shared) -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/inbox") }))
        .route("/messages", post(wire::rest))
        .route("/v1/message", post(wire::one))
        .route("/hook", post(hook::receive))
        .route("/public-client/balance", get(wire::balance))
        .route("/v1/balance", get(wire::balance))
        .route("/inbox", get(inbox_api::list).delete(inbox_api::empty))
        .route("/inbox/events", get(inbox_api::events))
        .route("/inbox/style.css", get(inbox::style))
        .route("/inbox/script.js", get(inbox::script))
        .route("/inbox/{api_message_id}/status", post(inbox_api::set_status))
        .route("/faults", get(inbox_api::fault).put(inbox_api::set_fault))
        .with_state(sandbox)
}
