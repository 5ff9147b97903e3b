//! The messages that the sandbox accepted: a page for developers that updates by itself, and JSON for tests.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::{
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use serde::Serialize;
use tokio::sync::watch;

use crate::sms::Sms;

const LIMIT: usize = 20_000;
/// The page shows only the newest messages.
const SHOWN: usize = 100;

/// A message's last reported status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Accepted,
    Sent,
    Delivered,
    Failed,
}

/// A message as the page shows it.
#[derive(Clone, Serialize)]
pub struct Shown {
    #[serde(flatten)]
    sms: Sms,
    status: Status,
}

pub struct Inbox {
    messages: Mutex<VecDeque<Shown>>,
    changes: watch::Sender<()>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self { messages: Mutex::default(), changes: watch::Sender::new(()) }
    }
}

impl Inbox {
    pub fn receive(&self, sms: Sms) {
        let mut messages = self.messages();
        messages.push_front(Shown { sms, status: Status::Accepted });
        messages.truncate(LIMIT);
        self.changed();
    }

    pub fn set_status(&self, api_message_id: &str, status: Status) {
        let mut messages = self.messages();
        if let Some(message) = messages.iter_mut().find(|message| message.sms.api_message_id == api_message_id) {
            message.status = status;
        }
        self.changed();
    }

    pub fn find(&self, api_message_id: &str) -> Option<Sms> {
        let messages = self.messages();
        messages.iter().map(|message| &message.sms).find(|sms| sms.api_message_id == api_message_id).cloned()
    }

    pub fn clear(&self) {
        self.messages().clear();
        self.changed();
    }

    /// All messages, newest first. `to` selects one number; only its digits count.
    pub fn list(&self, to: Option<&str>) -> Vec<Sms> {
        self.filtered(to, LIMIT).into_iter().map(|message| message.sms).collect()
    }

    /// The newest messages, for the page.
    pub fn shown(&self, to: Option<&str>) -> Vec<Shown> {
        self.filtered(to, SHOWN)
    }

    /// Notifies of every later change, and once immediately.
    pub fn watch(&self) -> watch::Receiver<()> {
        let mut changes = self.changes.subscribe();
        changes.mark_changed();
        changes
    }

    /// Call this after changing anything other than messages that the page shows.
    pub fn changed(&self) {
        self.changes.send_replace(());
    }

    fn filtered(&self, to: Option<&str>, limit: usize) -> Vec<Shown> {
        let wanted = to.map(|number| number.chars().filter(char::is_ascii_digit).collect::<String>());
        let messages = self.messages();
        let meant = messages.iter().filter(|message| wanted.as_ref().is_none_or(|to| *to == message.sms.to));
        meant.take(limit).cloned().collect()
    }

    fn messages(&self) -> MutexGuard<'_, VecDeque<Shown>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The page. Message texts are untrusted: the policy runs no script in them and loads nothing from other hosts.
pub fn page() -> Response {
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                  base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let mut response = Html(include_str!("page.html")).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

pub async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css")).into_response()
}

pub async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("script.js")).into_response()
}
