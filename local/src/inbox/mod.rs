//! The messages and emails that the sandbox accepted: a page for developers that updates by itself, and JSON for tests.

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

use crate::{email::Email, sms::Sms};

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

/// A message or an email.
#[derive(Clone, Serialize)]
#[serde(tag = "channel", rename_all = "lowercase")]
pub enum Item {
    Sms(Sms),
    Email(Email),
}

/// An item as the page shows it.
#[derive(Clone, Serialize)]
pub struct Shown {
    #[serde(flatten)]
    item: Item,
    status: Status,
}

impl Item {
    /// Whether it went to `to`: a number, of which only the digits count, or an address.
    fn went_to(&self, to: &str) -> bool {
        match self {
            Self::Sms(sms) => !to.contains('@') && to.chars().filter(char::is_ascii_digit).eq(sms.to.chars()),
            // In a query, an unescaped plus sign means a space.
            Self::Email(email) => email.to.eq_ignore_ascii_case(&to.replace(' ', "+")),
        }
    }

    fn sms(&self) -> Option<&Sms> {
        match self {
            Self::Sms(sms) => Some(sms),
            Self::Email(_) => None,
        }
    }
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
    pub fn receive_sms(&self, sms: Sms) {
        self.receive(Item::Sms(sms), Status::Accepted);
    }

    /// There are no delivery reports for emails.
    pub fn receive_email(&self, email: Email) {
        self.receive(Item::Email(email), Status::Sent);
    }

    fn receive(&self, item: Item, status: Status) {
        let mut messages = self.messages();
        messages.push_front(Shown { item, status });
        messages.truncate(LIMIT);
        self.changed();
    }

    pub fn set_status(&self, api_message_id: &str, status: Status) {
        let mut messages = self.messages();
        let is_meant =
            |message: &&mut Shown| message.item.sms().is_some_and(|sms| sms.api_message_id == api_message_id);
        if let Some(message) = messages.iter_mut().find(is_meant) {
            message.status = status;
        }
        self.changed();
    }

    pub fn find(&self, api_message_id: &str) -> Option<Sms> {
        let messages = self.messages();
        messages
            .iter()
            .filter_map(|message| message.item.sms())
            .find(|sms| sms.api_message_id == api_message_id)
            .cloned()
    }

    pub fn clear(&self) {
        self.messages().clear();
        self.changed();
    }

    /// All messages and emails, newest first. `to` selects one number or address.
    pub fn list(&self, to: Option<&str>) -> Vec<Item> {
        self.filtered(to, LIMIT).into_iter().map(|message| message.item).collect()
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
        let messages = self.messages();
        let meant = messages.iter().filter(|message| to.is_none_or(|to| message.item.went_to(to)));
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
