//! The breaker's evidence: one item for each (scope, hour) with the people who were asked in each minute, and how many of
//! them entered a code.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    types::{Update, builders::UpdateBuilder},
};
use twostep_domain::{
    account::PhoneTrust,
    country::Country,
    spending::{Evidence, evidence::Answers},
    time::{HOUR, Timestamp},
};

use super::counters::read_items;
use crate::{
    table::{Item, TableError, number, text},
    transaction::{self, Write},
};

/// Whose evidence it is: a country, or a range by its hidden name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place(String);

impl From<Country> for Place {
    fn from(country: Country) -> Self {
        Self(country.as_str().to_owned())
    }
}

impl Place {
    /// A range, by a name that does not show its digits.
    #[must_use]
    pub fn range(hidden: &str) -> Self {
        Self(hidden.to_owned())
    }

    fn id(&self, hour: Timestamp) -> String {
        format!("people#{}#{}", self.0, hour.0)
    }
}

#[derive(Clone)]
pub struct PeopleStore {
    client: Client,
    table: String,
}

impl PeopleStore {
    /// How many hours of evidence there are, the present one included.
    const HOURS: i64 = 25;

    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Counts one more person who was asked.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn ask(&self, place: &Place, trust: PhoneTrust, at: Timestamp) -> Result<(), TableError> {
        self.add(place, trust, at, 1).await
    }

    /// Takes a person back: the message was not sent.
    ///
    /// # Errors
    /// [`TableError`]: the person stays counted.
    pub async fn unask(&self, place: &Place, trust: PhoneTrust, at: Timestamp) -> Result<(), TableError> {
        self.add(place, trust, at, -1).await
    }

    async fn add(&self, place: &Place, trust: PhoneTrust, at: Timestamp, people: i128) -> Result<(), TableError> {
        let hour = hour_of(at);
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(place.id(hour)))
            .update_expression("ADD #minute :people SET #ttl = :ttl")
            .expression_attribute_names("#minute", attribute(asked_as(trust), at))
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":people", number(people))
            .expression_attribute_values(":ttl", number(hour.plus(HOUR * 27).0));
        update.send().await?;
        Ok(())
    }

    /// The write that counts a person who was asked at `at` (`times` times) and entered a code, for a transaction.
    #[must_use]
    pub fn answer(&self, place: &Place, trust: PhoneTrust, at: Timestamp, times: u64) -> Write {
        let hour = hour_of(at);
        let update: UpdateBuilder = Update::builder()
            .table_name(&self.table)
            .key("id", text(place.id(hour)))
            .update_expression("ADD #minute :times SET #ttl = :ttl")
            .expression_attribute_names("#minute", attribute(answered_as(trust), at))
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":times", number(times))
            .expression_attribute_values(":ttl", number(hour.plus(HOUR * 27).0));
        transaction::update(update)
    }

    /// The evidence of the last day in each place, on numbers of this trust.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn evidence(
        &self,
        places: &[Place],
        trust: PhoneTrust,
        now: Timestamp,
    ) -> Result<Vec<Evidence>, TableError> {
        self.of_hours(places, trust, now, Self::HOURS).await
    }

    /// The evidence of the last hour in one place.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn of_the_last_hour(
        &self,
        place: &Place,
        trust: PhoneTrust,
        now: Timestamp,
    ) -> Result<Evidence, TableError> {
        let evidence = self.of_hours(std::slice::from_ref(place), trust, now, 2).await?;
        Ok(evidence.into_iter().next().unwrap_or_default())
    }

    async fn of_hours(
        &self,
        places: &[Place],
        trust: PhoneTrust,
        now: Timestamp,
        hours: i64,
    ) -> Result<Vec<Evidence>, TableError> {
        let hours: Vec<_> = (0..hours).map(|ago| Timestamp(hour_of(now).0 - ago * 3_600)).collect();
        let ids = places.iter().flat_map(|place| hours.iter().map(|hour| place.id(*hour)));
        let found = read_items(&self.client, &self.table, ids.collect()).await?;
        Ok(places.iter().map(|place| evidence(place, &hours, trust, &found)).collect())
    }
}

fn evidence(place: &Place, hours: &[Timestamp], trust: PhoneTrust, found: &HashMap<String, Item>) -> Evidence {
    let mut evidence = Evidence::default();
    for hour in hours {
        let Some(item) = found.get(&place.id(*hour)) else { continue };
        for (name, value) in item {
            let (Some(kind), Some(minute)) =
                (name.chars().next(), name.get(1..).and_then(|name| name.parse::<i64>().ok()))
            else {
                continue;
            };
            let people = value.as_n().ok().and_then(|people| people.parse().ok()).unwrap_or(0);
            let answers = match kind {
                kind if kind == asked_as(trust) => Answers { asked: people, answered: 0 },
                kind if kind == answered_as(trust) => Answers { asked: 0, answered: people },
                _ => continue,
            };
            evidence.add(Evidence::minute(*hour) + minute, answers);
        }
    }
    evidence
}

fn hour_of(at: Timestamp) -> Timestamp {
    Timestamp(at.0 - at.0.rem_euclid(3_600))
}

/// The attribute of a minute of the hour.
fn attribute(kind: char, at: Timestamp) -> String {
    format!("{kind}{:02}", at.0.rem_euclid(3_600) / 60)
}

fn asked_as(trust: PhoneTrust) -> char {
    match trust {
        PhoneTrust::New => 'n',
        PhoneTrust::Verified => 'v',
        PhoneTrust::Established => 'e',
    }
}

fn answered_as(trust: PhoneTrust) -> char {
    asked_as(trust).to_ascii_uppercase()
}
