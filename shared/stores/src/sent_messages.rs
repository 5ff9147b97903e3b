//! Messages that the provider accepted, found again when it reports their delivery.

use aws_sdk_dynamodb::Client;
use serde::{Deserialize, Serialize};
use twostep_domain::{challenge::Challenge, country::Country, ids::ChallengeKey, time::Timestamp};

use crate::table::{self, TableError};

const TABLE: &str = "codes";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SentMessage {
    pub id: String,
    pub challenge: ChallengeKey,
    pub send_number: u64,
    /// Where it went, for the usage; `None` if the delivery report was faster than this note.
    #[serde(default)]
    pub country: Option<Country>,
    pub ttl: Timestamp,
}

impl SentMessage {
    /// The present message of `challenge`, under the id that the provider gave it.
    #[must_use]
    pub fn new(message_id: &str, challenge: &Challenge, country: Country) -> Self {
        Self {
            id: Self::key(message_id),
            challenge: challenge.key.clone(),
            send_number: challenge.send_number,
            country: Some(country),
            ttl: challenge.ttl,
        }
    }

    /// Our own reference of the message, which travels with it: `<challenge key>-<number>`.
    #[must_use]
    pub fn reference(challenge: &Challenge) -> String {
        format!("{}-{}", challenge.key.as_str(), challenge.send_number)
    }

    /// Reads [`Self::reference`] back.
    #[must_use]
    pub fn from_reference(reference: &str) -> Option<Self> {
        let (key, number) = reference.rsplit_once('-')?;
        let challenge = ChallengeKey::from_stored(key);
        let send_number = number.parse().ok()?;
        Some(Self { id: String::new(), challenge, send_number, country: None, ttl: Timestamp::default() })
    }

    /// The key of a message in the table; keys of challenges have no `#`.
    fn key(message_id: &str) -> String {
        format!("MESSAGE#{message_id}")
    }
}

#[derive(Clone)]
pub struct SentMessageStore {
    client: Client,
    table: String,
}

impl SentMessageStore {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// # Errors
    /// [`TableError`]
    pub async fn save(&self, message: &SentMessage) -> Result<(), TableError> {
        self.client.put_item().table_name(&self.table).set_item(Some(table::write(message))).send().await?;
        Ok(())
    }

    /// # Errors
    /// [`TableError`]
    pub async fn find(&self, message_id: &str) -> Result<Option<SentMessage>, TableError> {
        let item = table::get(&self.client, &self.table, "id", &SentMessage::key(message_id)).await?;
        item.map(|item| table::read(TABLE, item)).transpose()
    }
}
