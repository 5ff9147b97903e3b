//! Challenges, saved by compare-and-swap. The table's stream is the outbox: a saved code is a code that will be sent.

use serde::Deserialize;
use serde_json::Value;
use twostep_domain::{challenge::Challenge, ids::ChallengeKey};

use crate::{
    compare_and_swap::{Versioned, VersionedItems},
    table::TableError,
};

pub type ChallengeStore = VersionedItems<Challenge>;

impl Versioned for Challenge {
    const TABLE: &'static str = "codes";

    fn id(&self) -> &str {
        self.key.as_str()
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn with_version(self, version: u64) -> Self {
        Self { version, ..self }
    }
}

/// The present message of a challenge: what a record of the table's stream says of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SavedMessage {
    #[serde(rename = "id")]
    pub challenge: ChallengeKey,
    pub send_number: u64,
}

impl SavedMessage {
    /// The message in a record of the table's stream; `None` if its new image is not a challenge.
    #[must_use]
    pub fn in_record(record: &Value) -> Option<Self> {
        in_record(record)
    }
}

/// The challenge in a record of the table's stream; `None` if its new image is none.
#[must_use]
pub fn challenge_in_record(record: &Value) -> Option<Challenge> {
    in_record(record)
}

fn in_record<'de, T: Deserialize<'de>>(record: &'de Value) -> Option<T> {
    let image = serde_dynamo::Item::deserialize(&record["dynamodb"]["NewImage"]).ok()?;
    serde_dynamo::from_item(image).ok()
}

impl ChallengeStore {
    /// # Errors
    /// [`TableError`]
    pub async fn find(&self, key: &ChallengeKey) -> Result<Option<Challenge>, TableError> {
        self.load(key.as_str()).await
    }
}
