//! Exact sliding-window limit in one conditional write.
//!
//! The item lists the moments that counted, newest first. One more is allowed if the entry at the limit's own place is
//! missing or old enough. DynamoDB checks that condition while it adds the new moment, so parallel callers get through no
//! more often than callers in a row, and nothing has to be read first. The write leaves its mark, so that it counts once
//! when its response is lost and the SDK sends it again.

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use twostep_domain::{rate_limit::RateLimit, time::Timestamp};

use crate::{
    compare_and_swap::{WRITER, is_written_by, new_writer},
    table::{self, Item, TableError, number, text},
};

const TABLE: &str = "counters";

#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// The limit is reached; one more is allowed at this moment.
    #[error("the rate limit is reached")]
    Reached(Timestamp),
    #[error(transparent)]
    Table(#[from] TableError),
}

#[derive(Clone)]
pub struct SlidingWindowStore {
    client: Client,
    table: String,
}

impl SlidingWindowStore {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Counts one more for `id` if all `limits` allow it. What they refuse is not counted.
    ///
    /// # Errors
    /// [`LimitError`]
    pub async fn reserve(&self, id: &str, limits: &[RateLimit], now: Timestamp) -> Result<(), LimitError> {
        let writer = new_writer();
        let longest = limits.iter().map(|limit| limit.window).max().unwrap_or_default();
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(id))
            .update_expression(
                "SET times = list_append(:now, if_not_exists(times, :none)), #ttl = :ttl, #writer = :writer",
            )
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_names("#writer", WRITER)
            .expression_attribute_values(":writer", text(&writer))
            .expression_attribute_values(":now", AttributeValue::L(vec![number(now.0)]))
            .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
            .expression_attribute_values(":ttl", number(now.plus(longest * 2).0))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut conditions = vec!["(attribute_not_exists(#writer) OR #writer <> :writer)".to_owned()];
        for (index, limit) in limits.iter().enumerate() {
            let place = limit.most.saturating_sub(1);
            conditions.push(format!("(attribute_not_exists(times[{place}]) OR times[{place}] <= :ago{index})"));
            update = update.expression_attribute_values(format!(":ago{index}"), number(now.minus(limit.window).0));
        }
        match update.condition_expression(conditions.join(" AND ")).send().await {
            Ok(output) => {
                self.trim(id, &times(output.attributes.as_ref()), limits).await;
                Ok(())
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    if failed.item.as_ref().is_some_and(|item| is_written_by(item, &writer)) {
                        return Ok(());
                    }
                    let times = times(failed.item.as_ref());
                    let free_at = limits.iter().map(|limit| limit.free_at(&times)).max().unwrap_or_default();
                    Err(LimitError::Reached(free_at.max(now)))
                }
                _ => Err(LimitError::Table(error.into())),
            },
        }
    }

    /// Takes back what was counted for `id` at `at`.
    ///
    /// # Errors
    /// [`TableError`]: it stays counted.
    pub async fn release(&self, id: &str, at: Timestamp) -> Result<(), TableError> {
        const ROUNDS: usize = 12;
        for _ in 0..ROUNDS {
            let present = times(table::get(&self.client, &self.table, "id", id).await?.as_ref());
            let Some(place) = present.iter().position(|time| *time == at) else { return Ok(()) };
            let update = self
                .client
                .update_item()
                .table_name(&self.table)
                .key("id", text(id))
                .update_expression(format!("REMOVE times[{place}]"))
                .condition_expression(format!("times[{place}] = :at"))
                .expression_attribute_values(":at", number(at.0));
            // Not retried: a second attempt could take away what was counted for another caller in the same second.
            match update.customize().config_override(table::without_retries()).send().await {
                Ok(_) => return Ok(()),
                Err(error) => match error.as_service_error() {
                    // Another caller counted in between, and the places have moved.
                    Some(UpdateItemError::ConditionalCheckFailedException(_)) => {}
                    _ => return Err(error.into()),
                },
            }
        }
        Err(TableError::Contended { table: TABLE })
    }

    /// Removes the entries that no limit looks at, now and then. If another caller counts at the same moment, this is left
    /// to the next time.
    async fn trim(&self, id: &str, present: &[Timestamp], limits: &[RateLimit]) {
        /// As many as fit an expression.
        const AT_ONCE: usize = 200;
        let looked_at = limits.iter().map(|limit| limit.most).max().unwrap_or(0);
        if present.len() < looked_at * 2 {
            return;
        }
        let first = looked_at.max(present.len().saturating_sub(AT_ONCE));
        let beyond: Vec<String> = (first..present.len()).map(|place| format!("times[{place}]")).collect();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(id))
            .update_expression(format!("REMOVE {}", beyond.join(", ")))
            .condition_expression("size(times) = :size")
            .expression_attribute_values(":size", number(i128::try_from(present.len()).unwrap_or(i128::MAX)));
        let _ = update.send().await;
    }
}

fn times(item: Option<&Item>) -> Vec<Timestamp> {
    let times = item.and_then(|item| item.get("times")).and_then(|times| times.as_l().ok());
    let read = |time: &AttributeValue| Some(Timestamp(time.as_n().ok()?.parse().ok()?));
    times.into_iter().flatten().filter_map(read).collect()
}
