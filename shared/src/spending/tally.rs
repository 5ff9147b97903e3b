//! Counting: one item for each (scope, period), changed by atomic additions only, so nobody waits for anybody.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::update_item::{UpdateItemError, UpdateItemOutput},
    types::{AttributeValue, KeysAndAttributes, ReturnValue},
};
use futures_util::future::{try_join, try_join_all};
use time::{Date, OffsetDateTime, Time};

use super::policy::Allowance;
use crate::{
    clock::Timestamp,
    phone::{Country, PhoneNumber},
    table::{self, Item, TableError, number, text},
};

const TABLE: &str = "counters";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How many days the usage shows.
pub const DAYS_SHOWN: u32 = 30;

/// A clock hour, a day or a month, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    Hour,
    Day,
    Month,
}

impl Period {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// When the period began that `now` is in.
    #[must_use]
    pub fn began(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Hour => Timestamp(now.0 - now.0.rem_euclid(60 * 60)),
            Self::Day => Timestamp(now.0 - now.0.rem_euclid(24 * 60 * 60)),
            Self::Month => month(now, |date| date.replace_day(1).unwrap_or(date)),
        }
    }

    /// When the period ends that `now` is in.
    #[must_use]
    pub fn ends(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Hour => Timestamp(self.began(now).0 + 60 * 60),
            Self::Day => Timestamp(self.began(now).0 + 24 * 60 * 60),
            Self::Month => month(now, |date| {
                let last = date.replace_day(date.month().length(date.year())).unwrap_or(date);
                last.next_day().unwrap_or(last)
            }),
        }
    }

    /// How long its counts are of use: as history for the breaker, and in the usage.
    fn kept_for(self) -> Duration {
        match self {
            Self::Hour => DAY * 2,
            Self::Day => DAY * (DAYS_SHOWN + 2),
            Self::Month => DAY * 62,
        }
    }
}

fn month(now: Timestamp, of: impl Fn(Date) -> Date) -> Timestamp {
    let date = OffsetDateTime::from_unix_timestamp(now.0).map_or(Date::MIN, OffsetDateTime::date);
    Timestamp(of(date).with_time(Time::MIDNIGHT).assume_utc().unix_timestamp())
}

/// What is counted together. A range of numbers is digits, a country letters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    All,
    Country(Country),
    Prefix(String),
}

impl Scope {
    #[must_use]
    pub fn prefix_of(phone: &PhoneNumber) -> Self {
        Self::Prefix(phone.prefix().to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::All => "all",
            Self::Country(country) => country.as_str(),
            Self::Prefix(digits) => digits,
        }
    }
}

/// A range is most of a number: it is for the operator's eyes, not for logs.
impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(_) => f.write_str("a range"),
            named => f.write_str(named.as_str()),
        }
    }
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Reserved and not given back: sent, or perhaps sent.
    pub messages: u64,
    pub spent: u64,
    /// Right codes.
    pub verified: u64,
    /// Right codes that sign somebody in or let them register.
    pub sign_ins: u64,
    pub delivered: u64,
    /// By reason.
    pub failed: BTreeMap<String, u64>,
}

impl Tally {
    const FAILED: &str = "failed_";

    fn read(item: &Item) -> Self {
        let number = |value: &AttributeValue| value.as_n().ok()?.parse::<i64>().ok();
        let count = |name: &str| item.get(name).and_then(number).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let failed = item.keys().filter_map(|name| Some((name.strip_prefix(Self::FAILED)?.to_owned(), count(name))));
        Self {
            failed: failed.collect(),
            messages: count("messages"),
            spent: count("spent"),
            verified: count("verified"),
            sign_ins: count("sign_ins"),
            delivered: count("delivered"),
        }
    }

    /// Messages whose code was not entered, or not yet.
    #[must_use]
    pub fn unanswered(&self) -> u64 {
        self.messages.saturating_sub(self.verified)
    }
}

/// Something that happened to a message, for the usage and the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    Verified { signs_in: bool },
    Delivered,
    Failed(&'static str),
}

/// One (scope, period), while it lasts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Counter {
    pub scope: Scope,
    pub period: Period,
    pub began: Timestamp,
}

impl Counter {
    #[must_use]
    pub fn at(scope: &Scope, period: Period, now: Timestamp) -> Self {
        Self { scope: scope.clone(), period, began: period.began(now) }
    }

    fn id(&self) -> String {
        format!("tally#{}#{}#{}", self.scope.as_str(), self.period.as_str(), self.began.0)
    }
}

pub struct Tallies {
    client: Client,
    table: String,
    /// The (day, country) pairs that this process has put into the day's index already.
    indexed: Mutex<HashSet<(Timestamp, Country)>>,
}

impl Tallies {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, indexed: Mutex::default() }
    }

    /// Adds one message of `price` if `allowance` has room for it; `None` when it has not. Gives the counts after it.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away: then nothing may be sent.
    pub async fn reserve(
        &self,
        counter: &Counter,
        price: u64,
        allowance: Allowance,
    ) -> Result<Option<Tally>, TableError> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(counter.id()))
            .update_expression("ADD messages :one, spent :price SET #ttl = :ttl")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":price", number(price))
            .expression_attribute_values(":ttl", number(counter.began.plus(counter.period.kept_for()).0))
            .return_values(ReturnValue::AllNew);
        let mut conditions = Vec::new();
        if let Some(most) = allowance.messages {
            // An item that is not there yet has room for as many as the limit says.
            conditions.push(if most == 0 {
                "messages < :most_messages"
            } else {
                "(attribute_not_exists(messages) OR messages < :most_messages)"
            });
            update = update.expression_attribute_values(":most_messages", number(most));
        }
        if let Some(most) = allowance.spend {
            let Some(room) = most.checked_sub(price) else { return Ok(None) };
            conditions.push("(attribute_not_exists(spent) OR spent <= :room)");
            update = update.expression_attribute_values(":room", number(room));
        }
        if !conditions.is_empty() {
            update = update.condition_expression(conditions.join(" AND "));
        }
        counted(update.send().await)
    }

    /// Takes a reservation back: the message was not sent.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away: then the reservation stays, which costs nobody money.
    pub async fn give_back(&self, counter: &Counter, price: u64) -> Result<(), TableError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(counter.id()))
            .condition_expression("attribute_exists(id)")
            .update_expression("ADD messages :less, spent :price")
            .expression_attribute_values(":less", number(-1))
            .expression_attribute_values(":price", number(-i128::from(price)));
        counted(update.send().await).map(|_| ())
    }

    /// Counts what happened to a message to `country`; with its range, for the breaker as well.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn count(
        &self,
        country: Country,
        prefix: Option<&Scope>,
        fact: Fact,
        now: Timestamp,
    ) -> Result<(), TableError> {
        let day = Counter::at(&Scope::Country(country), Period::Day, now);
        let hour = Counter::at(&Scope::Country(country), Period::Hour, now);
        let of_prefix = |period| prefix.map(|prefix| Counter::at(prefix, period, now));
        let (prefix_day, prefix_hour) = (of_prefix(Period::Day), of_prefix(Period::Hour));
        let verified = matches!(fact, Fact::Verified { .. });
        // The breaker looks at right codes only.
        let for_breaker = |counter| Some(counter).filter(|_| verified);
        let counters =
            [Some(day), for_breaker(hour), prefix_day.and_then(for_breaker), prefix_hour.and_then(for_breaker)];
        let additions = counters.into_iter().flatten().map(|counter| self.add(counter, fact));
        try_join(self.index(country, now), try_join_all(additions)).await?;
        Ok(())
    }

    async fn add(&self, counter: Counter, fact: Fact) -> Result<(), TableError> {
        let failed;
        let names = match fact {
            Fact::Verified { signs_in: true } => vec!["verified", "sign_ins"],
            Fact::Verified { signs_in: false } => vec!["verified"],
            Fact::Delivered => vec!["delivered"],
            Fact::Failed(reason) => {
                failed = format!("{}{reason}", Tally::FAILED);
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
            .expression_attribute_values(":ttl", number(counter.began.plus(counter.period.kept_for()).0));
        update.send().await?;
        Ok(())
    }

    /// Notes that the day has counts of `country`, so that the usage finds them without a scan.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn index(&self, country: Country, now: Timestamp) -> Result<(), TableError> {
        let day = Period::Day.began(now);
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
            .expression_attribute_values(":ttl", number(day.plus(Period::Day.kept_for()).0));
        update.send().await?;
        let mut indexed = self.indexed.lock().unwrap_or_else(PoisonError::into_inner);
        indexed.retain(|(known, _)| *known >= day);
        indexed.insert((day, country));
        Ok(())
    }

    /// The most right codes that a day of the last 14 had, not counting today.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn best_day(&self, scope: &Scope, now: Timestamp) -> Result<u64, TableError> {
        const HISTORY: i64 = 14;
        let today = Period::Day.began(now).0;
        let days = (1..=HISTORY).map(|ago| {
            Counter { scope: scope.clone(), period: Period::Day, began: Timestamp(today - ago * 24 * 60 * 60) }.id()
        });
        let found = self.read(days.collect()).await?;
        Ok(found.values().map(|item| Tally::read(item).verified).max().unwrap_or(0))
    }

    /// What each of the last [`DAYS_SHOWN`] days had, by country, the newest day first.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn by_day_and_country(&self, now: Timestamp) -> Result<Vec<(Timestamp, Country, Tally)>, TableError> {
        let today = Period::Day.began(now).0;
        let days: Vec<_> = (0..i64::from(DAYS_SHOWN)).map(|ago| Timestamp(today - ago * 24 * 60 * 60)).collect();
        let indexes = self.read(days.iter().map(|day| index_id(*day)).collect()).await?;
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
        let found = self.read(counters.iter().map(|(day, country)| id(*day, *country)).collect()).await?;
        let tally = |day, country| found.get(&id(day, country)).map(Tally::read).unwrap_or_default();
        Ok(counters.into_iter().map(|(day, country)| (day, country, tally(day, country))).collect())
    }

    async fn read(&self, ids: Vec<String>) -> Result<HashMap<String, Item>, TableError> {
        /// What one request may ask for, and how often it is asked for what was left over.
        const BATCH: usize = 100;
        const ROUNDS: usize = 8;
        let mut found = HashMap::new();
        for batch in ids.chunks(BATCH) {
            let keys = batch.iter().map(|id| Item::from([("id".to_owned(), text(id))])).collect();
            let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
            let mut left = Some(HashMap::from([(self.table.clone(), request.build().expect("keys are set"))]));
            for _ in 0..ROUNDS {
                let Some(request) = left.take().filter(|left| !left.is_empty()) else { break };
                let answer = self.client.batch_get_item().set_request_items(Some(request)).send().await?;
                for item in answer.responses.unwrap_or_default().into_values().flatten() {
                    let id = item.get("id").and_then(|id| id.as_s().ok()).cloned().unwrap_or_default();
                    found.insert(id, item);
                }
                left = answer.unprocessed_keys;
            }
            if left.is_some_and(|left| !left.is_empty()) {
                return Err(TableError::Contended { table: TABLE });
            }
        }
        Ok(found)
    }
}

/// The item after the update, or `None` when its condition was not met.
fn counted<R>(result: Result<UpdateItemOutput, SdkError<UpdateItemError, R>>) -> Result<Option<Tally>, TableError> {
    match result {
        Ok(output) => Ok(Some(Tally::read(&output.attributes.unwrap_or_default()))),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
            _ => Err(table::TableError::from(error)),
        },
    }
}

fn index_id(day: Timestamp) -> String {
    format!("tally-countries#{}", day.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).unwrap().unix_timestamp())
    }

    #[test]
    fn periods_are_of_the_clock_and_the_calendar() {
        let now = at("2028-02-29T13:37:59Z");
        let of = |period: Period| (period.began(now).rfc3339(), period.ends(now).rfc3339());
        let expected = |began: &str, ends: &str| (began.to_owned(), ends.to_owned());
        assert_eq!(of(Period::Hour), expected("2028-02-29T13:00:00Z", "2028-02-29T14:00:00Z"));
        assert_eq!(of(Period::Day), expected("2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z"));
        assert_eq!(of(Period::Month), expected("2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"));
        let december = at("2026-12-31T23:59:59Z");
        assert_eq!(Period::Month.ends(december).rfc3339(), "2027-01-01T00:00:00Z");
        for period in [Period::Hour, Period::Day, Period::Month] {
            assert_eq!(period.began(period.began(now)), period.began(now));
            assert_eq!(period.began(period.ends(now)), period.ends(now), "the next begins where this one ends");
        }
    }

    #[test]
    fn a_range_is_in_no_log() {
        let phone = PhoneNumber::parse("+14155552671").unwrap();
        assert_eq!(format!("{:?}", Scope::prefix_of(&phone)), "a range");
    }
}
