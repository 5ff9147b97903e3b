//! Messages that the provider accepted, found again when it reports their delivery.
//!
//! A report can be faster than the note of its message. If it does not carry our own reference, it is kept under the
//! message's id, where the note finds it.

use aws_sdk_dynamodb::{
    Client,
    operation::put_item::PutItemError,
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use serde::{Deserialize, Serialize};
use twostep_domain::{
    challenge::{Challenge, Reported},
    country::Country,
    ids::ChallengeKey,
    time::{HOUR, Timestamp},
};

use crate::table::{self, TableError, number, optional_text, text};

const TABLE: &str = "codes";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SentMessage {
    pub id: String,
    pub challenge: ChallengeKey,
    pub send_number: u64,
    /// Where it went, for the usage. Notes of 0.1.0 have it; since then, the challenge does.
    #[serde(default)]
    pub country: Option<Country>,
    pub ttl: Timestamp,
}

impl SentMessage {
    /// The present message of `challenge`, under the id that the provider gave it.
    #[must_use]
    pub fn new(message_id: &str, challenge: &Challenge) -> Self {
        Self {
            id: Self::key(message_id),
            challenge: challenge.key.clone(),
            send_number: challenge.send_number,
            country: challenge.country,
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

/// A delivery report without a note of its message.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct EarlyReport {
    id: String,
    reported: Reported,
    ttl: Timestamp,
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

    /// Saves the note, and gives what was reported before it.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn save(&self, message: &SentMessage) -> Result<Option<Reported>, TableError> {
        // An update leaves an early report where it is, so that a repeated write finds it too.
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(&message.id))
            .update_expression("SET challenge = :challenge, send_number = :number, country = :country, #ttl = :ttl")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":challenge", text(message.challenge.as_str()))
            .expression_attribute_values(":number", number(message.send_number))
            .expression_attribute_values(":country", optional_text(message.country.as_ref().map(Country::as_str)))
            .expression_attribute_values(":ttl", number(message.ttl.0))
            .return_values(ReturnValue::AllNew);
        let item = update.send().await?.attributes.unwrap_or_default();
        Ok(table::read::<EarlyReport>(TABLE, item).ok().map(|report| report.reported))
    }

    /// Keeps a report for the note that will come, or gives the note if it is there now.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn keep(
        &self,
        message_id: &str,
        reported: Reported,
        now: Timestamp,
    ) -> Result<Option<SentMessage>, TableError> {
        let report = EarlyReport { id: SentMessage::key(message_id), reported, ttl: now.plus(HOUR) };
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(table::write(&report)))
            .condition_expression("attribute_not_exists(challenge)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(None) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                failed.item.clone().map(|item| table::read(TABLE, item)).transpose()
            }
            _ => Err(error.into()),
        }
    }

    /// # Errors
    /// [`TableError`]
    pub async fn find(&self, message_id: &str) -> Result<Option<SentMessage>, TableError> {
        let item = table::get(&self.client, &self.table, "id", &SentMessage::key(message_id)).await?;
        // An early report is not a note.
        let item = item.filter(|item| item.contains_key("challenge"));
        item.map(|item| table::read(TABLE, item)).transpose()
    }
}
