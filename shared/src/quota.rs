//! So many in an hour or a day that ends now, exactly, by one conditional write.
//!
//! The item lists the moments that counted, newest first. One more is allowed when the entry at the limit's own place is
//! old enough or not there, and that is a condition DynamoDB can check while it puts the new moment in front: of many at
//! once no more get through than of so many in a row, and nobody has to read first.

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};

use crate::{
    clock::Timestamp,
    table::{Item, TableError, number, text},
};

const TABLE: &str = "counters";
pub const HOUR: Duration = Duration::from_secs(60 * 60);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// At most `most` within `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub most: usize,
    pub window: Duration,
}

#[derive(Debug)]
pub enum QuotaError {
    /// No more before this moment.
    Full(Timestamp),
    Table(TableError),
}

#[derive(Clone)]
pub struct QuotaStore {
    client: Client,
    table: String,
}

impl QuotaStore {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Counts one more for `id`, if all `quotas` allow it. What they refuse is not counted.
    ///
    /// # Errors
    /// [`QuotaError::Full`], [`QuotaError::Table`].
    pub async fn take(&self, id: &str, quotas: &[Quota], now: Timestamp) -> Result<(), QuotaError> {
        let longest = quotas.iter().map(|quota| quota.window).max().unwrap_or_default();
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(id))
            .update_expression("SET times = list_append(:now, if_not_exists(times, :none)), #ttl = :ttl")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", AttributeValue::L(vec![number(now.0)]))
            .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
            .expression_attribute_values(":ttl", number(now.plus(longest * 2).0))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut conditions = Vec::new();
        for (index, quota) in quotas.iter().enumerate() {
            let place = quota.most.saturating_sub(1);
            conditions.push(format!("(attribute_not_exists(times[{place}]) OR times[{place}] <= :ago{index})"));
            let ago = number(now.0 - i64::try_from(quota.window.as_secs()).unwrap_or(i64::MAX));
            update = update.expression_attribute_values(format!(":ago{index}"), ago);
        }
        match update.condition_expression(conditions.join(" AND ")).send().await {
            Ok(output) => {
                self.trim(id, &times(output.attributes.as_ref()), quotas).await;
                Ok(())
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    Err(QuotaError::Full(free_at(&times(failed.item.as_ref()), quotas).max(now)))
                }
                _ => Err(QuotaError::Table(error.into())),
            },
        }
    }

    /// Takes back what was counted for `id` at `at`.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away: then it stays counted.
    pub async fn give_back(&self, id: &str, at: Timestamp) -> Result<(), TableError> {
        const ROUNDS: usize = 12;
        for _ in 0..ROUNDS {
            let read = self.client.get_item().table_name(&self.table).key("id", text(id)).consistent_read(true);
            let present = times(read.send().await?.item.as_ref());
            let Some(place) = present.iter().position(|time| *time == at) else { return Ok(()) };
            let update = self
                .client
                .update_item()
                .table_name(&self.table)
                .key("id", text(id))
                .update_expression(format!("REMOVE times[{place}]"))
                .condition_expression(format!("times[{place}] = :at"))
                .expression_attribute_values(":at", number(at.0));
            match update.send().await {
                Ok(_) => return Ok(()),
                Err(error) => match error.as_service_error() {
                    // Somebody counted in between, and the places have moved.
                    Some(UpdateItemError::ConditionalCheckFailedException(_)) => {}
                    _ => return Err(error.into()),
                },
            }
        }
        Err(TableError::Contended { table: TABLE })
    }

    /// Cuts off what no quota looks at, now and then. Whoever counts at the same moment leaves it to the next time.
    async fn trim(&self, id: &str, present: &[Timestamp], quotas: &[Quota]) {
        /// As many as fit an expression.
        const AT_ONCE: usize = 200;
        let looked_at = quotas.iter().map(|quota| quota.most).max().unwrap_or(0);
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

/// When all quotas allow one more, given the moments that count, newest first.
fn free_at(times: &[Timestamp], quotas: &[Quota]) -> Timestamp {
    let free = quotas.iter().filter_map(|quota| Some(times.get(quota.most.checked_sub(1)?)?.plus(quota.window)));
    free.max().unwrap_or_default()
}

fn times(item: Option<&Item>) -> Vec<Timestamp> {
    let times = item.and_then(|item| item.get("times")).and_then(|times| times.as_l().ok());
    let read = |time: &AttributeValue| Some(Timestamp(time.as_n().ok()?.parse().ok()?));
    times.into_iter().flatten().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_is_allowed_when_the_oldest_that_counts_is_out_of_its_window() {
        let quotas = [Quota { most: 2, window: HOUR }, Quota { most: 3, window: DAY }];
        let times = |times: &[i64]| times.iter().copied().map(Timestamp).collect::<Vec<_>>();
        assert_eq!(free_at(&times(&[]), &quotas), Timestamp::default());
        assert_eq!(free_at(&times(&[500]), &quotas), Timestamp::default());
        assert_eq!(free_at(&times(&[500, 100]), &quotas), Timestamp(100 + 3_600));
        assert_eq!(free_at(&times(&[500, 100, 50]), &quotas), Timestamp(50 + 86_400));
    }
}
