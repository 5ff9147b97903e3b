//! An email that the sandbox accepted.

use serde::Serialize;

#[derive(Clone, Serialize)]
pub struct Email {
    pub to: String,
    pub from: String,
    pub subject: String,
    /// The text part.
    pub content: String,
    pub html: Option<String>,
    pub received_at: String,
    pub message_id: String,
}
