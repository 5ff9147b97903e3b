//! Codes that came back: counted in the usage and in the breaker's evidence, all or nothing and once.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use twostep_domain::{ids::ChallengeKey, spending::Asked};

use super::{CounterStore, PeopleStore, Place};
use crate::{
    table::TableError,
    transaction::{cancellation_reasons, in_conflict},
};

pub struct AnswerStore {
    client: Client,
    counters: CounterStore,
    people: PeopleStore,
}

impl AnswerStore {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        let (counters, people) =
            (CounterStore::new(client.clone(), table.clone()), PeopleStore::new(client.clone(), table));
        Self { client, counters, people }
    }

    /// Counts that the person who was asked by `challenge` entered a code. DynamoDB recognises a repetition by its token
    /// for ten minutes; the stream that repeats stops earlier.
    ///
    /// # Errors
    /// [`TableError`]: nothing was counted, or it was and may be repeated.
    pub async fn count(&self, challenge: &ChallengeKey, asked: &Asked) -> Result<(), TableError> {
        const ATTEMPTS: u32 = 8;
        const FIRST_PAUSE: Duration = Duration::from_millis(20);
        /// Of a key; as much as a token has room for.
        const KEY: usize = 24;
        let mut writes = vec![self.counters.verified(asked)];
        if asked.in_country {
            writes.push(self.people.answer(&asked.country.into(), asked.trust, asked.at, 1));
        }
        if let Some(range) = &asked.range {
            writes.push(self.people.answer(&Place::range(range), asked.trust, asked.at, asked.in_range));
        }
        let key: String = challenge.as_str().chars().take(KEY).collect();
        let token = format!("{key}-{}", asked.at.0);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let request = self.client.transact_write_items().client_request_token(&token);
            let Err(error) = request.set_transact_items(Some(writes.clone())).send().await else { return Ok(()) };
            // Others count in the same items.
            if attempt < ATTEMPTS && cancellation_reasons(&error).is_some_and(|reasons| reasons.iter().any(in_conflict))
            {
                tokio::time::sleep(FIRST_PAUSE * attempt).await;
                continue;
            }
            return Err(error.into());
        }
    }
}
