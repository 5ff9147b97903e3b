//! Who sends a message, and how it is named.

use serde::{Deserialize, Serialize};

/// Who sends messages.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, strum::IntoStaticStr, strum::EnumString,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum SenderKind {
    Clickatell,
    /// A hook of the operator.
    Webhook,
}

impl SenderKind {
    /// How a message of this sender is named in our tables: two senders can use the same id.
    #[must_use]
    pub fn message_name(self, message_id: &str) -> String {
        match self {
            Self::Clickatell => message_id.to_owned(),
            Self::Webhook => format!("webhook|{message_id}"),
        }
    }
}
