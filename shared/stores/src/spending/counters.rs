//! What became of messages: one item for each (country, day), for the usage.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, KeysAndAttributes, Update, builders::UpdateBuilder},
};
use futures_util::future::try_join_all;
use twostep_domain::{
    account::PhoneTrust,
    challenge::DeliveryFailure,
    country::Country,
    spending::{Asked, Counts, Ledger, MessageEvent, Period, Scope, Spent, Sums},
    time::{DAY, Timestamp},
};

use crate::{
    table::{Item, TableError, number, text},
    transaction::{self, Write},
};

const TABLE: &str = "counters";

/// How many days the usage shows.
pub const DAYS_SHOWN: i64 = 30;

/// How long a counter is kept: as history for the breaker and in the usage.
const KEPT_FOR: std::time::Duration = std::time::Duration::from_secs(32 * DAY.as_secs());

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

#[derive(Clone)]
pub struct CounterStore {
    client: Client,
    table: String,
}

impl CounterStore {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Counts what happened to a message to `country`.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn count(&self, country: Country, event: MessageEvent, now: Timestamp) -> Result<(), TableError> {
        let day = Counter::at(&Scope::Country(country), Period::Day, now);
        let failed = |reason: DeliveryFailure| format!("{FAILED}{}", reason.as_str());
        let add = match event {
            MessageEvent::Delivered { failed: None } => "delivered :one".to_owned(),
            MessageEvent::Delivered { failed: Some(reason) } => {
                format!("delivered :one, {} :minus_one", failed(reason))
            }
            MessageEvent::SentBy(sender) => format!("{SENT_BY}{} :one", <&str>::from(sender)),
            MessageEvent::RefusedBy(sender) => format!("{REFUSED_BY}{} :one", <&str>::from(sender)),
            MessageEvent::Test => {
                self.index([country], now).await?;
                "tests :one".to_owned()
            }
            MessageEvent::Failed(reason) => {
                // Perhaps no message to this country is sent today.
                self.index([country], now).await?;
                format!("{} :one", failed(reason))
            }
        };
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(day.id()))
            .update_expression(format!("ADD {add} SET #ttl = :ttl"))
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":ttl", number(day.start.plus(KEPT_FOR).0));
        if matches!(event, MessageEvent::Delivered { failed: Some(_) }) {
            update = update.expression_attribute_values(":minus_one", number(-1));
        }
        update.send().await?;
        Ok(())
    }

    /// The write that counts a correct code, on the day on which it was asked for. For a transaction.
    #[must_use]
    pub fn verified(&self, asked: &Asked) -> Write {
        let day = Counter::at(&Scope::Country(asked.country), Period::Day, asked.at);
        let mut names = vec!["verified :one"];
        names.extend(asked.signs_in.then_some("sign_ins :one"));
        names.extend((asked.trust == PhoneTrust::New).then_some("answered_by_new :one"));
        let update: UpdateBuilder = Update::builder()
            .table_name(&self.table)
            .key("id", text(day.id()))
            .update_expression(format!("ADD {} SET #ttl = :ttl", names.join(", ")))
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":ttl", number(day.start.plus(KEPT_FOR).0));
        transaction::update(update)
    }

    /// Keeps the day that `ledger` is in as history. It is over, and its counts are final, so this can be repeated.
    pub(super) async fn keep_day(&self, ledger: &Ledger) -> Result<(), TableError> {
        let countries = ledger.countries.iter().filter(|(_, sums)| sums.day.messages > 0);
        let kept = countries.clone().map(async |(country, sums)| {
            let day = Counter::at(&Scope::Country(*country), Period::Day, ledger.hour);
            let update = self
                .client
                .update_item()
                .table_name(&self.table)
                .key("id", text(day.id()))
                .update_expression("SET messages = :messages, spent = :spent, #ttl = :ttl")
                .expression_attribute_names("#ttl", "ttl")
                .expression_attribute_values(":messages", number(sums.day.messages))
                .expression_attribute_values(":spent", number(sums.day.spent))
                .expression_attribute_values(":ttl", number(day.start.plus(KEPT_FOR).0));
            update.send().await.map_err(TableError::from)
        });
        try_join_all(kept).await?;
        self.index(countries.map(|(country, _)| *country), ledger.hour).await
    }

    /// The ledger that 0.1.0 would have had: it kept a counter for each scope and period.
    pub(super) async fn ledger_of_earlier_version(&self, now: Timestamp) -> Result<Ledger, TableError> {
        let first = Period::Month.start(now).0;
        let days: Vec<_> = (0..31).map(|day| Timestamp(first + day * 24 * 60 * 60)).collect();
        let indexes = self.read_items(days.iter().map(|day| index_id(*day)).collect()).await?;
        let mut countries: Vec<Country> = indexes.values().flat_map(countries_in).collect();
        countries.sort();
        countries.dedup();
        let id = |scope: &Scope, period| Counter::at(scope, period, now).id();
        let scopes = || countries.iter().map(|country| Scope::Country(*country)).chain([Scope::All]);
        let ids = scopes().flat_map(|scope| Period::ALL.map(|period| id(&scope, period)));
        let found = self.read_items(ids.collect()).await?;
        let sums = |scope: &Scope| {
            let of = |period| {
                let counts = found.get(&id(scope, period)).map(read).unwrap_or_default();
                Spent { messages: counts.messages, spent: counts.spent }
            };
            Sums { hour: of(Period::Hour), day: of(Period::Day), month: of(Period::Month) }
        };
        let by_country = countries.iter().map(|country| (*country, sums(&Scope::Country(*country)))).collect();
        Ok(Ledger { countries: by_country, all: sums(&Scope::All), ..Ledger::empty(now) })
    }

    /// Records that the day has counts of `countries`, so that the usage finds them without a scan.
    async fn index(&self, countries: impl IntoIterator<Item = Country>, now: Timestamp) -> Result<(), TableError> {
        let (day, countries) = (Period::Day.start(now), countries.into_iter().map(String::from).collect::<Vec<_>>());
        if countries.is_empty() {
            return Ok(());
        }
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(index_id(day)))
            .update_expression("ADD countries :countries SET #ttl = :ttl")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":countries", AttributeValue::Ss(countries))
            .expression_attribute_values(":ttl", number(day.plus(KEPT_FOR).0));
        update.send().await?;
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

    /// The counts of each of the last [`DAYS_SHOWN`] days, by country, the newest day first. `ledger` has the messages of
    /// its own day.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn by_day_and_country(
        &self,
        ledger: Option<&Ledger>,
        now: Timestamp,
    ) -> Result<Vec<(Timestamp, Country, Counts)>, TableError> {
        let today = Period::Day.start(now).0;
        let days: Vec<_> = (0..DAYS_SHOWN).map(|ago| Timestamp(today - ago * 24 * 60 * 60)).collect();
        let indexes = self.read_items(days.iter().map(|day| index_id(*day)).collect()).await?;
        let of_ledger = |day: Timestamp| ledger.filter(|ledger| Period::Day.start(ledger.hour) == day);
        let mut counters = Vec::new();
        for day in days {
            let mut countries: Vec<Country> = indexes.get(&index_id(day)).into_iter().flat_map(countries_in).collect();
            let today = of_ledger(day).into_iter().flat_map(|ledger| &ledger.countries);
            countries.extend(today.filter(|(_, sums)| sums.day.messages > 0).map(|(country, _)| *country));
            countries.sort();
            countries.dedup();
            counters.extend(countries.into_iter().map(|country| (day, country)));
        }
        let id = |day: Timestamp, country: Country| Counter::at(&Scope::Country(country), Period::Day, day).id();
        let found = self.read_items(counters.iter().map(|(day, country)| id(*day, *country)).collect()).await?;
        let counts = |day, country| {
            let mut counts = found.get(&id(day, country)).map(read).unwrap_or_default();
            if let Some(ledger) = of_ledger(day) {
                let Spent { messages, spent } = ledger.country(country).day;
                (counts.messages, counts.spent) = (messages, spent);
            }
            counts
        };
        Ok(counters.into_iter().map(|(day, country)| (day, country, counts(day, country))).collect())
    }

    async fn read_items(&self, ids: Vec<String>) -> Result<HashMap<String, Item>, TableError> {
        read_items(&self.client, &self.table, ids).await
    }
}

/// The items with these ids that exist, by id.
pub(super) async fn read_items(
    client: &Client,
    table: &str,
    ids: Vec<String>,
) -> Result<HashMap<String, Item>, TableError> {
    /// How many items one request may ask for, and how often leftovers are asked for again.
    const BATCH: usize = 100;
    const ROUNDS: usize = 8;
    let mut found = HashMap::new();
    for batch in ids.chunks(BATCH) {
        let keys = batch.iter().map(|id| Item::from([("id".to_owned(), text(id))])).collect();
        let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
        let mut left = Some(HashMap::from([(table.to_owned(), request.build().expect("keys are set"))]));
        for _ in 0..ROUNDS {
            let Some(request) = left.take().filter(|left| !left.is_empty()) else { break };
            let response = client.batch_get_item().set_request_items(Some(request)).send().await?;
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

fn countries_in(index: &Item) -> Vec<Country> {
    let countries = index.get("countries").and_then(|countries| countries.as_ss().ok());
    countries.into_iter().flatten().filter_map(|code| Country::parse(code).ok()).collect()
}

fn index_id(day: Timestamp) -> String {
    format!("tally-countries#{}", day.0)
}

/// The prefix of the attributes that count failures by reason.
const FAILED: &str = "failed_";

/// The prefixes of the attributes that count messages by sender.
const SENT_BY: &str = "sent_by_";
const REFUSED_BY: &str = "refused_by_";

/// The counts in an item.
#[must_use]
pub fn read(item: &Item) -> Counts {
    let number = |value: &AttributeValue| value.as_n().ok()?.parse::<i64>().ok();
    let count = |name: &str| item.get(name).and_then(number).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let counted = |prefix: &str| {
        item.keys().filter_map(|name| Some((name.strip_prefix(prefix)?.to_owned(), count(name)))).collect()
    };
    Counts {
        failed: counted(FAILED),
        sent_by: counted(SENT_BY),
        refused_by: counted(REFUSED_BY),
        answered_by_new: count("answered_by_new"),
        messages: count("messages"),
        spent: count("spent"),
        verified: count("verified"),
        sign_ins: count("sign_ins"),
        delivered: count("delivered"),
        tests: count("tests"),
    }
}
