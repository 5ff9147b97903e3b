//! Challenges, saved by compare-and-swap. The table's stream is the outbox: a saved code is a code that will be sent.

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

/// The challenge in a record of the table's stream.
#[must_use]
pub fn from_image(image: serde_dynamo::Item) -> Option<Challenge> {
    serde_dynamo::from_item(image).ok()
}

impl ChallengeStore {
    /// # Errors
    /// [`TableError`]
    pub async fn find(&self, key: &ChallengeKey) -> Result<Option<Challenge>, TableError> {
        self.load(key.as_str()).await
    }
}
