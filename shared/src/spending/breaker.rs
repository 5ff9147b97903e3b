//! The breaker: a ladder that a country or a range of numbers climbs when messages to it stay unanswered, and that
//! everything climbs when the budget is spent. Each step ends by the clock.
//!
//! Each step is tripped by those whom it keeps waiting: messages to new numbers stop new numbers, messages to numbers proven
//! lately stop those. A sign-in never decides about a registration, or its answer would tell whether a number has an account.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{Client, operation::update_item::UpdateItemError, types::AttributeValue};
use serde::{Deserialize, Serialize};

use super::{
    policy::BreakerPolicy,
    tally::{Period, Scope, Tally},
};
use crate::{
    cache::Cached,
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
    /// The step that keeps `recipient` waiting; established numbers never do.
    #[must_use]
    pub fn against(recipient: Recipient) -> Self {
        match recipient {
            Recipient::New => Self::ProvenNumbersOnly,
            Recipient::Known => Self::Closed,
            Recipient::Established => Self::Normal,
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
    pub cause: Cause,
    pub since: Timestamp,
    /// When it is normal again, by itself.
    pub until: Timestamp,
}

impl Tripped {
    /// For how long a spent budget closes at a time. What is given back or allowed meanwhile is found out soon; the budget
    /// itself is exact without this.
    const SPENT_FOR: Duration = Duration::from_secs(5 * 60);

    /// Where `tally` of the present `period` puts its scope for `recipient`s, if anywhere but on the normal step.
    #[must_use]
    pub fn by_unanswered(
        tally: &Tally,
        recipient: Recipient,
        best_day: u64,
        policy: &BreakerPolicy,
        period: Period,
        now: Timestamp,
    ) -> Option<Self> {
        let step = Step::against(recipient);
        let trips = tally.unanswered(recipient) >= policy.threshold(period, best_day);
        (trips && step > Step::Normal).then(|| Self {
            step,
            cause: Cause::unanswered(period),
            since: now,
            until: period.ends(now),
        })
    }

    /// For a budget that was spent in the `period` that began at `began`, unless that is over.
    #[must_use]
    pub fn by_budget(period: Period, began: Timestamp, now: Timestamp) -> Option<Self> {
        let until = period.ends(began).min(now.plus(Self::SPENT_FOR));
        (now < until).then(|| Self { step: Step::Closed, cause: Cause::budget(period), since: now, until })
    }
}

/// The whole ladder: what is not normal, by scope and step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaker(BTreeMap<String, Tripped>);

/// No message before this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldBack {
    pub until: Timestamp,
}

impl Breaker {
    /// The highest step of `scope` at `now`, if it is not the normal one.
    #[must_use]
    pub fn tripped(&self, scope: &Scope, now: Timestamp) -> Option<&Tripped> {
        [Step::Closed, Step::ProvenNumbersOnly].into_iter().find_map(|step| self.entry(scope, step, now))
    }

    /// Every scope that is not normal at `now`, on its highest step: `all`, countries by letters, ranges by digits.
    #[must_use]
    pub fn present(&self, now: Timestamp) -> BTreeMap<&str, &Tripped> {
        let live = self.0.iter().filter(|(_, tripped)| now < tripped.until);
        let mut highest = BTreeMap::<&str, &Tripped>::new();
        for (name, tripped) in live {
            let scope = name.split(SEPARATOR).next().unwrap_or_default();
            let entry = highest.entry(scope).or_insert(tripped);
            if entry.step < tripped.step {
                *entry = tripped;
            }
        }
        highest
    }

    /// Whether the budget of all is not spent.
    ///
    /// # Errors
    /// [`HeldBack`] until it is worth another try.
    pub fn allows_anyone(&self, now: Timestamp) -> Result<(), HeldBack> {
        self.tripped(&Scope::All, now).map_or(Ok(()), |tripped| Err(HeldBack { until: tripped.until }))
    }

    /// Whether no step of `scopes` keeps `recipient` waiting.
    ///
    /// # Errors
    /// [`HeldBack`] until the last that does ends.
    pub fn allows(&self, recipient: Recipient, scopes: &[Scope], now: Timestamp) -> Result<(), HeldBack> {
        let step = Step::against(recipient);
        let until = scopes.iter().filter_map(|scope| self.entry(scope, step, now)).map(|tripped| tripped.until).max();
        until.map_or(Ok(()), |until| Err(HeldBack { until }))
    }

    fn entry(&self, scope: &Scope, step: Step, now: Timestamp) -> Option<&Tripped> {
        self.0.get(&entry_name(scope, step)).filter(|tripped| now < tripped.until)
    }

    /// Some of the entries that are over, but never the one that is about to be written.
    fn over(&self, now: Timestamp, but: &str) -> Vec<String> {
        const AT_ONCE: usize = 50;
        let over = self.0.iter().filter(|(name, tripped)| tripped.until <= now && *name != but);
        over.map(|(name, _)| name.clone()).take(AT_ONCE).collect()
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

const SEPARATOR: char = '#';

/// The attribute that says since when and until when `scope` is on `step`.
fn entry_name(scope: &Scope, step: Step) -> String {
    format!("{}{SEPARATOR}{}", scope.as_str(), step.rank())
}

/// The one item that the ladder is in, read through a cache.
pub struct BreakerStore {
    client: Client,
    table: String,
    clock: Arc<dyn Clock>,
    cached: Cached<Breaker>,
}

impl BreakerStore {
    #[must_use]
    pub fn new(client: Client, table: String, clock: Arc<dyn Clock>) -> Self {
        Self { client, table, clock, cached: Cached::default() }
    }

    /// The ladder, at most 30 seconds old.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away: then nobody may assume that all is normal.
    pub async fn get(&self) -> Result<Arc<Breaker>, TableError> {
        self.cached.get(self.clock.now(), self.load()).await
    }

    async fn load(&self) -> Result<Breaker, TableError> {
        let request = self.client.get_item().table_name(&self.table).key("id", text(ID)).consistent_read(true);
        Breaker::read(request.send().await?.item.unwrap_or_default())
    }

    /// Puts `scope` on a step, unless it is on that for longer already. `true` when this changed it.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn trip(&self, scope: &Scope, tripped: &Tripped) -> Result<bool, TableError> {
        let (now, name) = (self.clock.now(), entry_name(scope, tripped.step));
        if self.get().await?.0.get(&name).is_some_and(|known| known.until >= tripped.until) {
            return Ok(false);
        }
        // What to take out is decided by what is there now, not by what was cached.
        let over = self.fresh().await?.over(now, &name);
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(ID))
            .condition_expression("attribute_not_exists(#entry) OR #entry.#until < :until")
            .expression_attribute_names("#entry", name)
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":tripped", AttributeValue::M(table::write(tripped)))
            .expression_attribute_values(":until", number(tripped.until.0));
        // What is over is taken out on the way, so that the item stays small.
        let names: Vec<String> = (0..over.len()).map(|index| format!("#over{index}")).collect();
        for (placeholder, name) in names.iter().zip(over) {
            update = update.expression_attribute_names(placeholder, name);
        }
        let remove = if names.is_empty() { String::new() } else { format!(" REMOVE {}", names.join(", ")) };
        let result = update.update_expression(format!("SET #entry = :tripped{remove}")).send().await;
        self.cached.forget().await;
        match result {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(error.into()),
            },
        }
    }

    /// The ladder as it is now.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn fresh(&self) -> Result<Arc<Breaker>, TableError> {
        self.cached.forget().await;
        self.get().await
    }

    /// Puts everything back on the normal step: the operator has changed what is allowed.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn reset(&self) -> Result<(), TableError> {
        self.client.delete_item().table_name(&self.table).key("id", text(ID)).send().await?;
        self.cached.forget().await;
        Ok(())
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
        let tripped = Tripped { step, cause: Cause::UnansweredInADay, since: NOW, until: Timestamp(until) };
        Breaker(BTreeMap::from([(entry_name(&spain(), step), tripped)]))
    }

    #[test]
    fn a_step_keeps_those_waiting_whose_messages_tripped_it_and_ends_by_the_clock() {
        let served = |breaker: &Breaker, at: i64| {
            [Recipient::New, Recipient::Known, Recipient::Established]
                .map(|recipient| breaker.allows(recipient, &[spain()], Timestamp(at)).is_ok())
        };
        let until = NOW.0 + 100;
        assert_eq!(served(&Breaker::default(), NOW.0), [true, true, true]);
        assert_eq!(served(&on(Step::ProvenNumbersOnly, until), NOW.0), [false, true, true]);
        assert_eq!(
            served(&on(Step::Closed, until), until - 1),
            [true, false, true],
            "a sign-in decides no registration"
        );
        let mut both = on(Step::Closed, until);
        both.0.extend(on(Step::ProvenNumbersOnly, until).0);
        assert_eq!(served(&both, NOW.0), [false, false, true]);
        assert_eq!(both.tripped(&spain(), NOW).unwrap().step, Step::Closed);
        assert_eq!(both.present(NOW).len(), 1, "one scope, on its highest step");
        assert_eq!(served(&both, until), [true, true, true]);
        let elsewhere = [Scope::Country(Country::parse("US").unwrap()), Scope::Prefix("3461234".into())];
        assert!(both.allows(Recipient::New, &elsewhere, NOW).is_ok());
    }

    #[test]
    fn unanswered_messages_trip_the_step_of_their_recipients() {
        let policy = BreakerPolicy::default();
        let at = |tally: Tally, best_day| {
            [Recipient::New, Recipient::Known, Recipient::Established].map(|recipient| {
                let tripped = Tripped::by_unanswered(&tally, recipient, best_day, &policy, Period::Day, NOW);
                tripped.map_or(Step::Normal, |tripped| tripped.step)
            })
        };
        let (normal, proven, closed) = (Step::Normal, Step::ProvenNumbersOnly, Step::Closed);
        assert_eq!(at(Tally { to_new: 19, to_known: 19, messages: 900, ..Tally::default() }, 0), [normal; 3]);
        assert_eq!(at(Tally { to_new: 20, to_known: 19, ..Tally::default() }, 0), [proven, normal, normal]);
        assert_eq!(at(Tally { to_new: 19, to_known: 20, ..Tally::default() }, 0), [normal, closed, normal]);
        assert_eq!(at(Tally { to_new: 1_000, answered_by_new: 981, ..Tally::default() }, 0), [normal; 3]);
        assert_eq!(
            at(Tally { to_new: 299, ..Tally::default() }, 1_000),
            [normal; 3],
            "a busy country has more of them"
        );
        assert_eq!(at(Tally { to_new: 300, ..Tally::default() }, 1_000), [proven, normal, normal]);
    }

    #[test]
    fn a_spent_budget_closes_for_minutes_and_never_into_the_next_period() {
        let hour = Period::Hour.began(NOW);
        let closed = |after: i64| Tripped::by_budget(Period::Hour, hour, Timestamp(hour.0 + after));
        assert_eq!(closed(0).unwrap().until, Timestamp(hour.0 + 300));
        assert_eq!(closed(3_590).unwrap().until, Timestamp(hour.0 + 3_600));
        assert_eq!(closed(3_600), None, "refused in the last moment of an hour, noted in the next");
    }

    #[test]
    fn a_number_is_established_a_day_after_it_was_proven() {
        let proven = |ago: i64| Recipient::proven(Some(Timestamp(NOW.0 - ago)), NOW);
        assert_eq!(proven(86_399), Recipient::Known);
        assert_eq!(proven(86_400), Recipient::Established);
        assert_eq!(Recipient::proven(None, NOW), Recipient::Established);
    }
}
