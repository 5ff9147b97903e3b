//! Backing off: whoever is wrong again and again waits longer and longer, by account and by address.

use std::{net::IpAddr, time::Duration};

use aws_sdk_dynamodb::{Client, operation::put_item::PutItemError, types::ReturnValuesOnConditionCheckFailure};
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    keys::Pepper,
    table::{self, TableError, text},
};

const TABLE: &str = "counters";
const WINDOW: Duration = Duration::from_secs(60 * 60);

/// How many tries are free and how the wait grows after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub free: usize,
    pub first_wait: Duration,
    pub longest_wait: Duration,
}

/// Stops guessing one account's password. It slows its owner down for a quarter of an hour at most, and only on this
/// way in.
pub const BY_ACCOUNT: Backoff =
    Backoff { free: 5, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(15 * 60) };

/// Stops guessing many accounts' passwords, the admin key, or making accounts without end, from one address.
pub const BY_ADDRESS: Backoff =
    Backoff { free: 30, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(15 * 60) };

/// One item of the `counters` table: the tries of the last hour that were wrong or are not judged yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    id: String,
    version: u64,
    times: Vec<Timestamp>,
    ttl: Timestamp,
}

/// What is counted, without saying whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    id: String,
    backoff: Backoff,
}

impl Subject {
    /// `name` is what people try at: an e-mail address in its normalised form, a user's id.
    #[must_use]
    pub fn account(pepper: &Pepper, name: &str) -> Self {
        Self { id: pepper.hide("throttle|account", name), backoff: BY_ACCOUNT }
    }

    /// One IPv4 address, or the /64 of an IPv6 address: that is what one customer gets. `purpose` keeps tries at
    /// different things apart.
    #[must_use]
    pub fn address(pepper: &Pepper, purpose: &str, address: IpAddr) -> Self {
        Self { id: hidden_network("throttle", pepper, purpose, address), backoff: BY_ADDRESS }
    }
}

/// The name of a caller's network in a counter of one `kind`, for one `purpose`.
#[must_use]
pub fn hidden_network(kind: &str, pepper: &Pepper, purpose: &str, address: IpAddr) -> String {
    let network = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{:x?}", &address.segments()[..4]),
    };
    pepper.hide(&format!("{kind}|address"), &format!("{purpose}|{network}"))
}

impl Tries {
    fn none(id: &str) -> Self {
        Self { id: id.to_owned(), version: 0, times: Vec::new(), ttl: Timestamp::default() }
    }

    /// Counts one more try before it is judged, so that many at once are counted too. `Err` is when to come back.
    fn take(&self, backoff: Backoff, now: Timestamp) -> Result<Self, Timestamp> {
        let mut next = self.clone();
        next.times.retain(|time| time.plus(WINDOW) > now);
        let beyond = next.times.len().saturating_sub(backoff.free);
        if let Some(last) = next.times.last().filter(|_| next.times.len() >= backoff.free) {
            let doublings = u32::try_from(beyond).unwrap_or(u32::MAX).min(16);
            let wait = (backoff.first_wait * 2_u32.pow(doublings)).min(backoff.longest_wait);
            if now < last.plus(wait) {
                return Err(last.plus(wait));
            }
        }
        next.times.push(now);
        next.ttl = now.plus(WINDOW * 2);
        Ok(next)
    }
}

#[derive(Debug)]
pub enum ThrottleError {
    /// Too many tries; the next is allowed at this moment.
    Wait(Timestamp),
    Table(TableError),
}

#[derive(Clone)]
pub struct Throttle {
    client: Client,
    table: String,
}

impl Throttle {
    /// A lost race is tried again; those that lose more often are turned away, which is what throttling is for.
    const ROUNDS: usize = 12;

    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Counts a try at `subject`.
    ///
    /// # Errors
    /// [`ThrottleError::Wait`] when it may not be judged yet.
    pub async fn take(&self, subject: &Subject, now: Timestamp) -> Result<(), ThrottleError> {
        let mut tries = self.load(&subject.id).await.map_err(ThrottleError::Table)?;
        for _ in 0..Self::ROUNDS {
            let next = tries.take(subject.backoff, now).map_err(ThrottleError::Wait)?;
            match self.save(&next).await.map_err(ThrottleError::Table)? {
                None => return Ok(()),
                Some(winner) => tries = winner,
            }
        }
        Err(ThrottleError::Wait(now.plus(subject.backoff.first_wait)))
    }

    /// Takes one try at `subject` back: it was right, and only wrong ones count. Should somebody else count at the same
    /// moment it stays counted, which slows nobody down by much.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn give_back(&self, subject: &Subject) -> Result<(), TableError> {
        let mut tries = self.load(&subject.id).await?;
        if tries.times.pop().is_some() {
            self.save(&tries).await?;
        }
        Ok(())
    }

    /// Forgets the tries at `subject`: the last one was right.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn forgive(&self, subject: &Subject) -> Result<(), TableError> {
        self.client.delete_item().table_name(&self.table).key("id", text(&subject.id)).send().await?;
        Ok(())
    }

    async fn load(&self, id: &str) -> Result<Tries, TableError> {
        let request = self.client.get_item().table_name(&self.table).key("id", text(id)).consistent_read(true);
        let item = request.send().await?.item;
        item.map_or_else(|| Ok(Tries::none(id)), |item| table::read(TABLE, item))
    }

    /// `Some` is who was faster.
    async fn save(&self, next: &Tries) -> Result<Option<Tries>, TableError> {
        let (condition, values) = table::unchanged_since(next.version);
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(table::write(&Tries { version: next.version + 1, ..next.clone() })))
            .condition_expression(condition)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(None) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                let winner = failed.item.clone();
                winner.map_or_else(|| Ok(Tries::none(&next.id)), |item| table::read(TABLE, item)).map(Some)
            }
            _ => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_tries_are_free_and_then_the_wait_doubles() {
        let mut tries = Tries::none("x");
        let mut now = Timestamp(1_000);
        for _ in 0..5 {
            tries = tries.take(BY_ACCOUNT, now).unwrap();
        }
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            let next = Timestamp(now.0 + wait);
            assert_eq!(tries.take(BY_ACCOUNT, now), Err(next));
            tries = tries.take(BY_ACCOUNT, next).unwrap();
            now = next;
        }
        assert!(tries.take(BY_ACCOUNT, Timestamp(now.0 + 3_600)).is_ok(), "an hour forgets");
    }

    #[test]
    fn one_network_is_one_address() {
        let pepper = Pepper::new(&[1; 32]);
        let of = |address: &str| Subject::address(&pepper, "login", address.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("203.0.113.1"), of("203.0.113.2"));
    }
}
