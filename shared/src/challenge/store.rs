//! The compare-and-swap store of challenges: a strongly consistent `load`, and a `save` that wins only if nobody saved
//! in between.

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::put_item::PutItemError,
    types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use rand::RngExt;

use super::{Challenge, ChallengeKey};
use crate::{
    clock::Timestamp,
    entropy,
    phone::Country,
    table::{self, Item, TableError, text},
};

const TABLE: &str = "codes";
const WRITER: &str = "writer";

/// A message that Clickatell accepted, found again when its status is reported.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct SentMessage {
    pub id: String,
    pub challenge: ChallengeKey,
    pub send_number: u64,
    /// Where it went, for the usage; unknown where the report was faster than this note.
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

    /// Our own name for the message, which travels with it: `<challenge key>-<number>`.
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

    /// The key of a message in the table; challenge keys have no `#`.
    fn key(message_id: &str) -> String {
        format!("MESSAGE#{message_id}")
    }
}

#[derive(Debug)]
pub enum Saved {
    /// Saved, together with everything that was to be written along.
    Won,
    /// Someone else saved first: their challenge, or none if it was deleted.
    Lost(Option<Box<Challenge>>),
    /// The challenge was as expected, but the condition of this companion write was not met.
    Refused { companion: usize, found: Option<Item> },
}

#[derive(Clone)]
pub struct ChallengeStore {
    client: Client,
    table: String,
}

impl ChallengeStore {
    /// A lost race is tried again on the winner's item. Each round some rule has moved on, and the rules allow only
    /// few moves (five guesses, one message a cooldown), so this is not reached by honest use or by attack.
    pub const ROUNDS: usize = 12;

    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn load(&self, key: &ChallengeKey) -> Result<Option<Challenge>, TableError> {
        self.get(key.as_str()).await?.map(|item| table::read(TABLE, item)).transpose()
    }

    /// Saves `next` if the item is still at the version that `next` was made from.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn save(&self, next: &Challenge) -> Result<Saved, TableError> {
        let writer = new_writer();
        let put = self.put(next, &writer);
        let result = self
            .client
            .put_item()
            .set_table_name(Some(put.table_name))
            .set_item(Some(put.item))
            .set_condition_expression(put.condition_expression)
            .set_expression_attribute_values(put.expression_attribute_values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match result {
            Ok(_) => Ok(Saved::Won),
            Err(SdkError::ServiceError(error)) => match error.err() {
                PutItemError::ConditionalCheckFailedException(failed) => judge_lost(failed.item.clone(), &writer),
                PutItemError::TransactionConflictException(_) => self.reload(&next.key).await,
                _ => Err(SdkError::<PutItemError, _>::ServiceError(error).into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// [`Self::save`], all or nothing with `companions`.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn save_with(&self, next: &Challenge, companions: Vec<TransactWriteItem>) -> Result<Saved, TableError> {
        let writer = new_writer();
        let challenge = TransactWriteItem::builder().put(self.put(next, &writer)).build();
        let items = std::iter::once(challenge).chain(companions).collect();
        let result = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        let Err(error) = result else { return Ok(Saved::Won) };
        let Some(reasons) = cancellation_reasons(&error) else { return Err(error.into()) };
        let failed =
            |reason: &aws_sdk_dynamodb::types::CancellationReason| reason.code() == Some("ConditionalCheckFailed");
        if reasons.first().is_some_and(failed) {
            return judge_lost(reasons[0].item.clone(), &writer);
        }
        match reasons.iter().position(failed) {
            Some(index) => Ok(Saved::Refused { companion: index - 1, found: reasons[index].item.clone() }),
            None if reasons.iter().any(|reason| reason.code() == Some("TransactionConflict")) => {
                self.reload(&next.key).await
            }
            None => Err(error.into()),
        }
    }

    /// Applies `rule` until what it gives is saved: first to `current`, then to whatever won a race against it. Gives the
    /// challenge as it was saved, or `None` when the rule has nothing to change.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn advance(
        &self,
        mut current: Challenge,
        rule: impl Fn(&Challenge) -> Option<Challenge>,
    ) -> Result<Option<Challenge>, TableError> {
        for _ in 0..Self::ROUNDS {
            let Some(next) = rule(&current) else { return Ok(None) };
            match self.save(&next).await? {
                Saved::Won => return Ok(Some(Challenge { version: next.version + 1, ..next })),
                Saved::Lost(Some(winner)) => current = *winner,
                Saved::Lost(None) => return Ok(None),
                Saved::Refused { .. } => unreachable!("nothing was saved along"),
            }
        }
        Err(TableError::Contended { table: TABLE })
    }

    /// The write that begins `challenge`, for someone else's transaction.
    #[must_use]
    pub fn insert(&self, challenge: &Challenge) -> TransactWriteItem {
        TransactWriteItem::builder().put(self.put(challenge, &new_writer())).build()
    }

    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn remember_message(&self, message: &SentMessage) -> Result<(), TableError> {
        self.client.put_item().table_name(&self.table).set_item(Some(table::write(message))).send().await?;
        Ok(())
    }

    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn find_message(&self, message_id: &str) -> Result<Option<SentMessage>, TableError> {
        self.get(&SentMessage::key(message_id)).await?.map(|item| table::read(TABLE, item)).transpose()
    }

    /// Opens the connection that the first request will use. Whatever the answer is (a function may have no right to read
    /// this table), the connection stays.
    pub async fn open_connection(&self) {
        let _ = self.get("-").await;
    }

    async fn get(&self, id: &str) -> Result<Option<Item>, TableError> {
        let answer =
            self.client.get_item().table_name(&self.table).key("id", text(id)).consistent_read(true).send().await?;
        Ok(answer.item)
    }

    async fn reload(&self, key: &ChallengeKey) -> Result<Saved, TableError> {
        Ok(Saved::Lost(self.load(key).await?.map(Box::new)))
    }

    fn put(&self, next: &Challenge, writer: &str) -> Put {
        let saved = Challenge { version: next.version + 1, ..next.clone() };
        let mut item = table::write(&saved);
        item.insert(WRITER.into(), text(writer));
        let (condition, values) = table::unchanged_since(next.version);
        Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("table and item are set")
    }
}

/// When an answer is lost and the SDK sends the write again, the second one finds the first: that is no lost race.
fn judge_lost(found: Option<Item>, writer: &str) -> Result<Saved, TableError> {
    let Some(item) = found else { return Ok(Saved::Lost(None)) };
    if item.get(WRITER).and_then(|value| value.as_s().ok()).is_some_and(|by| by == writer) {
        return Ok(Saved::Won);
    }
    Ok(Saved::Lost(Some(Box::new(table::read(TABLE, item)?))))
}

fn new_writer() -> String {
    format!("{:016x}", entropy::system().random::<u64>())
}

/// Why a transaction was cancelled, item by item; `None` when it failed otherwise.
pub(crate) fn cancellation_reasons<R>(
    error: &SdkError<aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError, R>,
) -> Option<&[aws_sdk_dynamodb::types::CancellationReason]> {
    use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException;
    match error.as_service_error()? {
        TransactionCanceledException(cancelled) => Some(cancelled.cancellation_reasons()),
        _ => None,
    }
}
