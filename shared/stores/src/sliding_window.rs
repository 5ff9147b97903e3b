//! Exact sliding-window limits in one conditional write.
//!
//! The item lists the moments that counted, newest first. One more is allowed if the entry at the limit's own place is
//! missing or old enough. DynamoDB checks that condition while it adds the new moment, so parallel callers get through no
//! more often than callers in a row, and nothing has to be read first. The write leaves its mark, so that it counts once
//! when its response is lost and the SDK sends it again.

use std::time::Duration;

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

/// One list of an item.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// The name of the list.
    pub list: &'static str,
    pub limits: &'a [RateLimit],
    /// Whether the limits refuse. Otherwise they only say how much of the list is kept.
    pub enforced: bool,
}

/// What was counted, the lists with it, newest first.
#[derive(Clone, Debug, Default)]
pub struct Counted(Item);

impl Counted {
    /// How many counted in `window` up to `now`, this one included, as far as the list goes.
    #[must_use]
    pub fn within(&self, list: &str, window: Duration, now: Timestamp) -> usize {
        times(Some(&self.0), list).iter().filter(|time| time.plus(window) > now).count()
    }
}

#[derive(Clone)]
pub struct SlidingWindowStore {
    client: Client,
    table: String,
}

impl SlidingWindowStore {
    /// The list of an item that has only one.
    pub const LIST: &'static str = "times";

    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Counts one more for `id` if all `limits` allow it. What they refuse is not counted.
    ///
    /// # Errors
    /// [`LimitError`]
    pub async fn reserve(&self, id: &str, limits: &[RateLimit], now: Timestamp) -> Result<Counted, LimitError> {
        self.reserve_in(id, &[Window { list: Self::LIST, limits, enforced: true }], now).await
    }

    /// Counts one more in each of the lists, or in none if a limit refuses.
    ///
    /// # Errors
    /// [`LimitError`]
    pub async fn reserve_in(&self, id: &str, windows: &[Window<'_>], now: Timestamp) -> Result<Counted, LimitError> {
        let writer = new_writer();
        let limits = || windows.iter().flat_map(|window| window.limits.iter().map(move |limit| (window, limit)));
        let longest = limits().map(|(_, limit)| limit.window).max().unwrap_or_default();
        let appended: Vec<String> = windows
            .iter()
            .map(|Window { list, .. }| format!("{list} = list_append(:now, if_not_exists({list}, :none))"))
            .collect();
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(id))
            .update_expression(format!("SET {}, #ttl = :ttl, #writer = :writer", appended.join(", ")))
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_names("#writer", WRITER)
            .expression_attribute_values(":writer", text(&writer))
            .expression_attribute_values(":now", AttributeValue::L(vec![number(now.0)]))
            .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
            .expression_attribute_values(":ttl", number(now.plus(longest * 2).0))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut conditions = vec!["(attribute_not_exists(#writer) OR #writer <> :writer)".to_owned()];
        for (index, (Window { list, .. }, limit)) in limits().filter(|(window, _)| window.enforced).enumerate() {
            let place = limit.most.saturating_sub(1);
            conditions.push(format!("(attribute_not_exists({list}[{place}]) OR {list}[{place}] <= :ago{index})"));
            update = update.expression_attribute_values(format!(":ago{index}"), number(now.minus(limit.window).0));
        }
        match update.condition_expression(conditions.join(" AND ")).send().await {
            Ok(output) => {
                let counted = output.attributes.unwrap_or_default();
                for window in windows {
                    self.trim(id, window, &times(Some(&counted), window.list)).await;
                }
                Ok(Counted(counted))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    let counted = failed.item.clone().unwrap_or_default();
                    if is_written_by(&counted, &writer) {
                        return Ok(Counted(counted));
                    }
                    let enforced = limits().filter(|(window, _)| window.enforced);
                    let free_at =
                        enforced.map(|(window, limit)| limit.free_at(&times(Some(&counted), window.list))).max();
                    Err(LimitError::Reached(free_at.unwrap_or_default().max(now)))
                }
                _ => Err(LimitError::Table(error.into())),
            },
        }
    }

    /// Takes back what was counted in `list` for `id` at `at`.
    ///
    /// # Errors
    /// [`TableError`]: it stays counted.
    pub async fn release(&self, id: &str, list: &str, at: Timestamp) -> Result<(), TableError> {
        const ROUNDS: usize = 12;
        // Most often it is still the newest.
        let mut place = 0;
        for _ in 0..ROUNDS {
            let update = self
                .client
                .update_item()
                .table_name(&self.table)
                .key("id", text(id))
                .update_expression(format!("REMOVE {list}[{place}]"))
                .condition_expression(format!("{list}[{place}] = :at"))
                .expression_attribute_values(":at", number(at.0))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            // Not retried: a second attempt could take away what was counted for another caller in the same second.
            match update.customize().config_override(table::without_retries()).send().await {
                Ok(_) => return Ok(()),
                Err(error) => match error.as_service_error() {
                    // Another caller counted in between, and the places have moved.
                    Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                        let present = times(failed.item.as_ref(), list);
                        let Some(found) = present.iter().position(|time| *time == at) else { return Ok(()) };
                        place = found;
                    }
                    _ => return Err(error.into()),
                },
            }
        }
        Err(TableError::Contended { table: TABLE })
    }

    /// Forgets everything that was counted for `id`.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn forget(&self, id: &str) -> Result<(), TableError> {
        self.client.delete_item().table_name(&self.table).key("id", text(id)).send().await?;
        Ok(())
    }

    /// Removes the entries that no limit looks at, now and then. If another caller counts at the same moment, this is left
    /// to the next time.
    async fn trim(&self, id: &str, window: &Window<'_>, present: &[Timestamp]) {
        /// As many as fit an expression.
        const AT_ONCE: usize = 200;
        let (list, looked_at) = (window.list, window.limits.iter().map(|limit| limit.most).max().unwrap_or(0));
        if present.len() < looked_at * 2 {
            return;
        }
        let first = looked_at.max(present.len().saturating_sub(AT_ONCE));
        let beyond: Vec<String> = (first..present.len()).map(|place| format!("{list}[{place}]")).collect();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(id))
            .update_expression(format!("REMOVE {}", beyond.join(", ")))
            .condition_expression(format!("size({list}) = :size"))
            .expression_attribute_values(":size", number(i128::try_from(present.len()).unwrap_or(i128::MAX)));
        let _ = update.send().await;
    }
}

fn times(item: Option<&Item>, list: &str) -> Vec<Timestamp> {
    let times = item.and_then(|item| item.get(list)).and_then(|times| times.as_l().ok());
    let read = |time: &AttributeValue| Some(Timestamp(time.as_n().ok()?.parse().ok()?));
    times.into_iter().flatten().filter_map(read).collect()
}
