//! A message that the sandbox accepted.

use serde::Serialize;

#[derive(Clone, Serialize)]
pub struct Sms {
    pub to: String,
    pub content: String,
    pub from: Option<String>,
    pub received_at: String,
    pub api_message_id: String,
    pub client_message_id: Option<String>,
    pub api: Api,
}

/// What accepted the message: one of Clickatell's APIs, or the hook of a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    Rest,
    One,
    Hook,
}
