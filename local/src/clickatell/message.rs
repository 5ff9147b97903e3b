//! A message as the caller requested it.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub to: String,
    pub content: String,
    pub from: Option<String>,
    pub client_message_id: Option<String>,
}
