//! The breaker: a ladder that a country or a range of numbers climbs when messages to it stay unanswered, and that
//! everything climbs when the budget is spent. Each step ends by the clock.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{Client, operation::update_item::UpdateItemError, types::AttributeValue};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{
    policy::BreakerPolicy,
    tally::{Period, Scope, Tally},
};
use crate::{
    clock::{Clock, Timestamp},
    table::{self, Item, TableError, number, text},
};

const TABLE: &str = "counters";
const ID: &str = "breaker";

/// Who a message goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recipient {
    /// A number that nobody has proven yet, as far as the request knows.
    New,
    /// The proven number of an account.
    Known,
    /// Proven a day ago or longer: whoever attacks now cannot have become this for the attack.
    Established,
}

impl Recipient {
    const PROBATION: Duration = Duration::from_secs(24 * 60 * 60);

    /// The number of an account, proven at `proven_at`; accounts older than that record have none.
    #[must_use]
    pub fn proven(proven_at: Option<Timestamp>, now: Timestamp) -> Self {
        if proven_at.is_none_or(|at| at.plus(Self::PROBATION) <= now) { Self::Established } else { Self::Known }
    }
}

/// How far a scope is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    #[default]
    Normal,
    /// Second steps and sign-ins go on; registrations and new numbers wait.
    ProvenNumbersOnly,
    /// Only established numbers are served.
    Closed,
}

impl Step {
    /// For `unanswered` messages where `threshold` trips: once over it the first step, twice over it the second.
    #[must_use]
    pub fn reached(unanswered: u64, threshold: u64) -> Self {
        if unanswered >= threshold.saturating_mul(2) {
            Self::Closed
        } else if unanswered >= threshold {
            Self::ProvenNumbersOnly
        } else {
            Self::Normal
        }
    }

    fn serves(self, recipient: Recipient) -> bool {
        match self {
            Self::Normal => true,
            Self::ProvenNumbersOnly => recipient >= Recipient::Known,
            Self::Closed => recipient == Recipient::Established,
        }
    }

    /// 0 for normal, more the less is served.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Normal => 0,
            Self::ProvenNumbersOnly => 1,
            Self::Closed => 2,
        }
    }
}

/// Why a scope is on a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    UnansweredInAnHour,
    UnansweredInADay,
    BudgetOfTheHour,
    BudgetOfTheDay,
    BudgetOfTheMonth,
}

impl Cause {
    fn unanswered(period: Period) -> Self {
        if period == Period::Hour { Self::UnansweredInAnHour } else { Self::UnansweredInADay }
    }

    #[must_use]
    pub fn budget(period: Period) -> Self {
        match period {
            Period::Hour => Self::BudgetOfTheHour,
            Period::Day => Self::BudgetOfTheDay,
            Period::Month => Self::BudgetOfTheMonth,
        }
    }
}

/// One scope that is not on the normal step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tripped {
    pub step: Step,
    /// [`Step`] as a number, for the table's conditions.
    rank: u8,
    pub cause: Cause,
    pub since: Timestamp,
    /// When it is normal again, by itself.
    pub until: Timestamp,
}

impl Tripped {
    #[must_use]
    pub fn new(step: Step, cause: Cause, since: Timestamp, until: Timestamp) -> Self {
        Self { step, rank: step.rank(), cause, since, until }
    }

    /// Where `tally` of the present `period` puts its scope, if anywhere but the normal step.
    #[must_use]
    pub fn by_unanswered(
        tally: &Tally,
        best_day: u64,
        policy: &BreakerPolicy,
        period: Period,
        now: Timestamp,
    ) -> Option<Self> {
        let step = Step::reached(tally.unanswered(), policy.threshold(period, best_day));
        (step > Step::Normal).then(|| Self::new(step, Cause::unanswered(period), now, period.ends(now)))
    }
}

/// The whole ladder: what is not normal, by scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaker(BTreeMap<String, Tripped>);

/// No message before this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldBack {
    pub until: Timestamp,
}

impl Breaker {
    /// The step of `scope` at `now`, if it is not the normal one.
    #[must_use]
    pub fn tripped(&self, scope: &Scope, now: Timestamp) -> Option<&Tripped> {
        self.0.get(scope.as_str()).filter(|tripped| now < tripped.until)
    }

    /// Everything that is not normal at `now`: `all`, countries by letters, ranges by digits.
    pub fn present(&self, now: Timestamp) -> impl Iterator<Item = (&str, &Tripped)> {
        self.0.iter().filter(move |(_, tripped)| now < tripped.until).map(|(scope, tripped)| (scope.as_str(), tripped))
    }

    /// Whether the budget is spent: nobody is served.
    ///
    /// # Errors
    /// [`HeldBack`] until the budget's period ends.
    pub fn allows_anyone(&self, now: Timestamp) -> Result<(), HeldBack> {
        self.tripped(&Scope::All, now).map_or(Ok(()), |tripped| Err(HeldBack { until: tripped.until }))
    }

    /// Whether the steps of all `scopes` serve `recipient`.
    ///
    /// # Errors
    /// [`HeldBack`] until the last that does not ends.
    pub fn allows(&self, recipient: Recipient, scopes: &[Scope], now: Timestamp) -> Result<(), HeldBack> {
        let closed = scopes.iter().filter_map(|scope| self.tripped(scope, now));
        let until = closed.filter(|tripped| !tripped.step.serves(recipient)).map(|tripped| tripped.until).max();
        until.map_or(Ok(()), |until| Err(HeldBack { until }))
    }

    fn read(item: Item) -> Result<Self, TableError> {
        let steps = item.into_iter().filter(|(_, value)| value.is_m());
        let read = |(scope, value): (String, AttributeValue)| {
            let entry = value.as_m().cloned().unwrap_or_default();
            Ok((scope, table::read(TABLE, entry)?))
        };
        steps.map(read).collect::<Result<_, _>>().map(Self)
    }
}

/// The one item that the ladder is in, read through a cache.
pub struct BreakerStore {
    client: Client,
    table: String,
    clock: Arc<dyn Clock>,
    cached: Mutex<Option<(Timestamp, Arc<Breaker>)>>,
}

impl BreakerStore {
    const FRESH_FOR: Duration = Duration::from_secs(30);

    #[must_use]
    pub fn new(client: Client, table: String, clock: Arc<dyn Clock>) -> Self {
        Self { client, table, clock, cached: Mutex::new(None) }
    }

    /// The ladder, at most 30 seconds old.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away: then nobody may assume that all is normal.
    pub async fn get(&self) -> Result<Arc<Breaker>, TableError> {
        let mut cached = self.cached.lock().await;
        let now = self.clock.now();
        if let Some((read_at, breaker)) = &*cached
            && now < read_at.plus(Self::FRESH_FOR)
        {
            return Ok(Arc::clone(breaker));
        }
        let request = self.client.get_item().table_name(&self.table).key("id", text(ID)).consistent_read(true);
        let breaker = Arc::new(Breaker::read(request.send().await?.item.unwrap_or_default())?);
        *cached = Some((now, Arc::clone(&breaker)));
        Ok(breaker)
    }

    /// Puts `scope` on a step, unless it is on a higher one or, for longer, on the same. `true` when this changed it.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn trip(&self, scope: &Scope, tripped: &Tripped) -> Result<bool, TableError> {
        let now = self.clock.now();
        if let Some(known) = self.get().await?.tripped(scope, now)
            && known.rank >= tripped.rank
            && known.until >= tripped.until
        {
            return Ok(false);
        }
        // What to take out is decided by what is there now, not by what was cached.
        self.forget().await;
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(ID))
            .expression_attribute_names("#scope", scope.as_str())
            .expression_attribute_values(":tripped", AttributeValue::M(table::write(tripped)))
            .expression_attribute_values(":now", number(now.0))
            .expression_attribute_values(":rank", number(tripped.rank))
            .expression_attribute_values(":until", number(tripped.until.0))
            .condition_expression(
                "attribute_not_exists(#scope) OR #scope.#until <= :now OR #scope.#rank < :rank \
                 OR (#scope.#rank = :rank AND #scope.#until < :until)",
            )
            .expression_attribute_names("#until", "until")
            .expression_attribute_names("#rank", "rank");
        // What is over is taken out on the way, so that the item stays small.
        let over = self.over(now, scope).await?;
        let names: Vec<String> = (0..over.len()).map(|index| format!("#over{index}")).collect();
        for (name, scope) in names.iter().zip(over) {
            update = update.expression_attribute_names(name, scope);
        }
        let remove = if names.is_empty() { String::new() } else { format!(" REMOVE {}", names.join(", ")) };
        let expression = format!("SET #scope = :tripped{remove}");
        let result = update.update_expression(expression).send().await;
        self.forget().await;
        match result {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(error.into()),
            },
        }
    }

    /// Puts everything back on the normal step: the operator has changed what is allowed.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn reset(&self) -> Result<(), TableError> {
        self.client.delete_item().table_name(&self.table).key("id", text(ID)).send().await?;
        self.forget().await;
        Ok(())
    }

    async fn over(&self, now: Timestamp, but: &Scope) -> Result<Vec<String>, TableError> {
        const AT_ONCE: usize = 50;
        let breaker = self.get().await?;
        let over = breaker.0.iter().filter(|(scope, tripped)| tripped.until <= now && *scope != but.as_str());
        Ok(over.map(|(scope, _)| scope.clone()).take(AT_ONCE).collect())
    }

    async fn forget(&self) {
        *self.cached.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::Country;

    const NOW: Timestamp = Timestamp(1_800_000_000);

    fn spain() -> Scope {
        Scope::Country(Country::parse("ES").unwrap())
    }

    fn on(step: Step, until: i64) -> Breaker {
        let tripped = Tripped::new(step, Cause::UnansweredInADay, NOW, Timestamp(until));
        Breaker(BTreeMap::from([(spain().as_str().to_owned(), tripped)]))
    }

    #[test]
    fn each_step_serves_fewer_and_ends_by_the_clock() {
        let served = |breaker: &Breaker, at: i64| {
            [Recipient::New, Recipient::Known, Recipient::Established]
                .map(|recipient| breaker.allows(recipient, &[spain()], Timestamp(at)).is_ok())
        };
        let until = NOW.0 + 100;
        assert_eq!(served(&Breaker::default(), NOW.0), [true, true, true]);
        assert_eq!(served(&on(Step::ProvenNumbersOnly, until), NOW.0), [false, true, true]);
        assert_eq!(served(&on(Step::Closed, until), until - 1), [false, false, true]);
        assert_eq!(served(&on(Step::Closed, until), until), [true, true, true]);
        let elsewhere = [Scope::Country(Country::parse("US").unwrap()), Scope::Prefix("3461234".into())];
        assert!(on(Step::Closed, until).allows(Recipient::New, &elsewhere, NOW).is_ok());
    }

    #[test]
    fn the_ladder_is_climbed_at_once_and_twice_the_threshold() {
        let policy = BreakerPolicy::default();
        let at = |messages, verified, best_day| {
            let tally = Tally { messages, verified, ..Tally::default() };
            let tripped = Tripped::by_unanswered(&tally, best_day, &policy, Period::Day, NOW);
            tripped.map_or(Step::Normal, |tripped| tripped.step)
        };
        assert_eq!(at(19, 0, 0), Step::Normal);
        assert_eq!(at(20, 0, 0), Step::ProvenNumbersOnly);
        assert_eq!(at(39, 0, 0), Step::ProvenNumbersOnly);
        assert_eq!(at(40, 0, 0), Step::Closed);
        assert_eq!(at(1_000, 981, 0), Step::Normal, "nearly all were answered");
        assert_eq!(at(299, 0, 1_000), Step::Normal, "a busy country may have more that are not");
        assert_eq!(at(300, 0, 1_000), Step::ProvenNumbersOnly);
    }

    #[test]
    fn a_number_is_established_a_day_after_it_was_proven() {
        let proven = |ago: i64| Recipient::proven(Some(Timestamp(NOW.0 - ago)), NOW);
        assert_eq!(proven(86_399), Recipient::Known);
        assert_eq!(proven(86_400), Recipient::Established);
        assert_eq!(Recipient::proven(None, NOW), Recipient::Established);
    }
}
