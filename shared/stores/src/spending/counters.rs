//! Counters of messages and money: one item for each (scope, period), changed only by atomic additions.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::update_item::{UpdateItemError, UpdateItemOutput},
    types::{AttributeValue, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use futures_util::future::{try_join, try_join_all};
use twostep_domain::{
    account::PhoneTrust,
    country::Country,
    spending::{Allowance, Counts, MessageEvent, Period, Scope},
    time::{DAY, Timestamp},
};

use crate::table::{self, Item, TableError, number, text};

const TABLE: &str = "counters";

/// How many days the usage shows.
pub const DAYS_SHOWN: i64 = 30;

/// How long a counter is kept: as history for the breaker and in the usage.
fn kept_for(period: Period) -> Duration {
    match period {
        Period::Hour => DAY * 2,
        Period::Day => DAY * 32,
        Period::Month => DAY * 62,
    }
}

/// The counter of one scope in one period.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Counter {
    pub scope: Scope,
    pub period: Period,
    pub start: Timestamp,
}

impl Counter {
    #[must_use]
    pub fn at(scope: &Scope, period: Period, now: Timestamp) -> Self {
        Self { scope: scope.clone(), period, start: period.start(now) }
    }

    fn id(&self) -> String {
        format!("tally#{}#{}#{}", self.scope.as_str(), self.period.as_str(), self.start.0)
    }
}

pub struct CounterStore {
    client: Client,
    table: String,
    /// The (day, country) pairs that this process has already put into the day's index.
    indexed: Mutex<HashSet<(Timestamp, Country)>>,
}

impl CounterStore {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, indexed: Mutex::default() }
    }

    /// Adds one message of `price` if `allowance` has room for it, and gives the counts after it. The inner `Err` holds the
    /// counts that left no room.
    ///
    /// # Errors
    /// [`TableError`]: nothing may be sent then.
    pub async fn reserve(
        &self,
        counter: &Counter,
        trust: PhoneTrust,
        price: u64,
        allowance: Allowance,
    ) -> Result<Result<Counts, Counts>, TableError> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(counter.id()))
            .update_expression(format!("ADD messages :one, spent :price{} SET #ttl = :ttl", to(trust, ":one")))
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":price", number(price))
            .expression_attribute_values(":ttl", number(counter.start.plus(kept_for(counter.period)).0))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut conditions = Vec::new();
        if let Some(most) = allowance.messages {
            // An item that does not exist yet has room for as many messages as the limit says.
            conditions.push(if most == 0 {
                "messages < :most_messages"
            } else {
                "(attribute_not_exists(messages) OR messages < :most_messages)"
            });
            update = update.expression_attribute_values(":most_messages", number(most));
        }
        if let Some(most) = allowance.spend {
            let Some(room) = most.checked_sub(price) else { return Ok(Err(Counts::default())) };
            conditions.push("(attribute_not_exists(spent) OR spent <= :room)");
            update = update.expression_attribute_values(":room", number(room));
        }
        if !conditions.is_empty() {
            update = update.condition_expression(conditions.join(" AND "));
        }
        counted(update.send().await)
    }

    /// Takes a reservation back: the message was not sent. It is not retried: if the response is lost, a second attempt
    /// could take back what another message has reserved.
    ///
    /// # Errors
    /// [`TableError`]: the reservation stays, which costs no money.
    pub async fn release(&self, counter: &Counter, trust: PhoneTrust, price: u64) -> Result<(), TableError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(counter.id()))
            .condition_expression("attribute_exists(id)")
            .update_expression(format!("ADD messages :less, spent :price{}", to(trust, ":less")))
            .expression_attribute_values(":less", number(-1))
            .expression_attribute_values(":price", number(-i128::from(price)));
        counted(update.customize().config_override(table::without_retries()).send().await).map(|_| ())
    }

    /// Counts what happened to a message to `country`, and with `prefix` to its range.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn count(
        &self,
        country: Country,
        prefix: Option<&Scope>,
        event: MessageEvent,
        now: Timestamp,
    ) -> Result<(), TableError> {
        let day = Counter::at(&Scope::Country(country), Period::Day, now);
        let hour = Counter::at(&Scope::Country(country), Period::Hour, now);
        let of_prefix = |period| prefix.map(|prefix| Counter::at(prefix, period, now));
        let (prefix_day, prefix_hour) = (of_prefix(Period::Day), of_prefix(Period::Hour));
        let verified = matches!(event, MessageEvent::Verified { .. });
        // The breaker looks at correct codes only.
        let for_breaker = |counter| Some(counter).filter(|_| verified);
        let counters =
            [Some(day), for_breaker(hour), prefix_day.and_then(for_breaker), prefix_hour.and_then(for_breaker)];
        let additions = counters.into_iter().flatten().map(|counter| self.add(counter, event));
        try_join(self.index(country, now), try_join_all(additions)).await?;
        Ok(())
    }

    async fn add(&self, counter: Counter, event: MessageEvent) -> Result<(), TableError> {
        let failed;
        let names = match event {
            MessageEvent::Verified { signs_in, trust } => {
                let answered = match trust {
                    PhoneTrust::New => Some("answered_by_new"),
                    PhoneTrust::Verified => Some("answered_by_known"),
                    PhoneTrust::Established => None,
                };
                ["verified"].into_iter().chain(signs_in.then_some("sign_ins")).chain(answered).collect()
            }
            MessageEvent::Delivered => vec!["delivered"],
            MessageEvent::Failed(reason) => {
                failed = format!("{FAILED}{}", reason.as_str());
                vec![failed.as_str()]
            }
        };
        let additions: Vec<String> = names.iter().map(|name| format!("{name} :one")).collect();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(counter.id()))
            .update_expression(format!("ADD {} SET #ttl = :ttl", additions.join(", ")))
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":ttl", number(counter.start.plus(kept_for(counter.period)).0));
        update.send().await?;
        Ok(())
    }

    /// Records that the day has counts of `country`, so that the usage finds them without a scan.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn index(&self, country: Country, now: Timestamp) -> Result<(), TableError> {
        let day = Period::Day.start(now);
        if self.indexed.lock().unwrap_or_else(PoisonError::into_inner).contains(&(day, country)) {
            return Ok(());
        }
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(index_id(day)))
            .update_expression("ADD countries :country SET #ttl = :ttl")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":country", AttributeValue::Ss(vec![country.into()]))
            .expression_attribute_values(":ttl", number(day.plus(kept_for(Period::Day)).0));
        update.send().await?;
        let mut indexed = self.indexed.lock().unwrap_or_else(PoisonError::into_inner);
        indexed.retain(|(known, _)| *known >= day);
        indexed.insert((day, country));
        Ok(())
    }

    /// The most correct codes of new numbers on one of the last 14 days, not counting today.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn best_day(&self, scope: &Scope, now: Timestamp) -> Result<u64, TableError> {
        const HISTORY: i64 = 14;
        let today = Period::Day.start(now).0;
        let days = (1..=HISTORY).map(|ago| {
            Counter { scope: scope.clone(), period: Period::Day, start: Timestamp(today - ago * 24 * 60 * 60) }.id()
        });
        let found = self.read_items(days.collect()).await?;
        Ok(found.values().map(|item| read(item).answered_by_new).max().unwrap_or(0))
    }

    /// The counts of each of the last [`DAYS_SHOWN`] days, by country, the newest day first.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn by_day_and_country(&self, now: Timestamp) -> Result<Vec<(Timestamp, Country, Counts)>, TableError> {
        let today = Period::Day.start(now).0;
        let days: Vec<_> = (0..DAYS_SHOWN).map(|ago| Timestamp(today - ago * 24 * 60 * 60)).collect();
        let indexes = self.read_items(days.iter().map(|day| index_id(*day)).collect()).await?;
        let mut counters = Vec::new();
        for day in days {
            let countries = indexes.get(&index_id(day)).and_then(|item| item.get("countries"));
            let mut countries: Vec<Country> = countries
                .and_then(|countries| countries.as_ss().ok())
                .into_iter()
                .flatten()
                .filter_map(|code| Country::parse(code).ok())
                .collect();
            countries.sort();
            counters.extend(countries.into_iter().map(|country| (day, country)));
        }
        let id = |day: Timestamp, country: Country| Counter::at(&Scope::Country(country), Period::Day, day).id();
        let found = self.read_items(counters.iter().map(|(day, country)| id(*day, *country)).collect()).await?;
        let counts = |day, country| found.get(&id(day, country)).map(read).unwrap_or_default();
        Ok(counters.into_iter().map(|(day, country)| (day, country, counts(day, country))).collect())
    }

    async fn read_items(&self, ids: Vec<String>) -> Result<HashMap<String, Item>, TableError> {
        /// How many items one request may ask for, and how often leftovers are asked for again.
        const BATCH: usize = 100;
        const ROUNDS: usize = 8;
        let mut found = HashMap::new();
        for batch in ids.chunks(BATCH) {
            let keys = batch.iter().map(|id| Item::from([("id".to_owned(), text(id))])).collect();
            let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
            let mut left = Some(HashMap::from([(self.table.clone(), request.build().expect("keys are set"))]));
            for _ in 0..ROUNDS {
                let Some(request) = left.take().filter(|left| !left.is_empty()) else { break };
                let response = self.client.batch_get_item().set_request_items(Some(request)).send().await?;
                for item in response.responses.unwrap_or_default().into_values().flatten() {
                    let id = item.get("id").and_then(|id| id.as_s().ok()).cloned().unwrap_or_default();
                    found.insert(id, item);
                }
                left = response.unprocessed_keys;
            }
            if left.is_some_and(|left| !left.is_empty()) {
                return Err(TableError::Contended { table: TABLE });
            }
        }
        Ok(found)
    }
}

/// The counts after the update. The inner `Err` holds those before it, if its condition failed.
fn counted<R>(
    result: Result<UpdateItemOutput, SdkError<UpdateItemError, R>>,
) -> Result<Result<Counts, Counts>, TableError> {
    match result {
        Ok(output) => Ok(Ok(read(&output.attributes.unwrap_or_default()))),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                Ok(Err(read(&failed.item.clone().unwrap_or_default())))
            }
            _ => Err(error.into()),
        },
    }
}

/// The part of an addition that counts by phone trust.
fn to(trust: PhoneTrust, amount: &str) -> String {
    match trust {
        PhoneTrust::New => format!(", to_new {amount}"),
        PhoneTrust::Verified => format!(", to_known {amount}"),
        PhoneTrust::Established => String::new(),
    }
}

fn index_id(day: Timestamp) -> String {
    format!("tally-countries#{}", day.0)
}

/// The prefix of the attributes that count failures by reason.
const FAILED: &str = "failed_";

/// The counts in an item.
#[must_use]
pub fn read(item: &Item) -> Counts {
    let number = |value: &AttributeValue| value.as_n().ok()?.parse::<i64>().ok();
    let count = |name: &str| item.get(name).and_then(number).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let failed = item.keys().filter_map(|name| Some((name.strip_prefix(FAILED)?.to_owned(), count(name))));
    Counts {
        failed: failed.collect(),
        to_new: count("to_new"),
        to_verified: count("to_known"),
        answered_by_new: count("answered_by_new"),
        answered_by_verified: count("answered_by_known"),
        messages: count("messages"),
        spent: count("spent"),
        verified: count("verified"),
        sign_ins: count("sign_ins"),
        delivered: count("delivered"),
    }
}
