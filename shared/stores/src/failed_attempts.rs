//! Failed-attempt backoff, per account and client IP.

use std::net::IpAddr;

use aws_sdk_dynamodb::Client;
use twostep_crypto::Pepper;
use twostep_domain::{
    failed_attempts::{Backoff, FailedAttempts},
    time::Timestamp,
};

use crate::{
    client_network::hidden_network,
    compare_and_swap::{Race, Swap, Versioned, VersionedItems},
    table::TableError,
};

impl Versioned for FailedAttempts {
    const TABLE: &'static str = "counters";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn with_version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }
}

/// What attempts are counted at, without showing whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    id: String,
    backoff: Backoff,
}

impl Subject {
    /// `name` is what callers try: an email address in its normalised form, or a user's id.
    #[must_use]
    pub fn account(pepper: &Pepper, name: &str) -> Self {
        Self { id: pepper.hide("throttle|account", name), backoff: Backoff::BY_ACCOUNT }
    }

    /// Attempts of one network at one account. `name` is as above.
    #[must_use]
    pub fn account_from(pepper: &Pepper, name: &str, client_ip: IpAddr) -> Self {
        Self { id: hidden_network("throttle|account", pepper, name, client_ip), backoff: Backoff::BY_ACCOUNT }
    }

    /// Attempts of one remembered device at its account.
    #[must_use]
    pub fn device(pepper: &Pepper, device: &str) -> Self {
        Self { id: pepper.hide("throttle|device", device), backoff: Backoff::BY_ACCOUNT }
    }

    /// The same attempts, judged by another backoff.
    #[must_use]
    pub fn with_backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// `purpose` keeps attempts at different things apart.
    #[must_use]
    pub fn client_ip(pepper: &Pepper, purpose: &str, client_ip: IpAddr) -> Self {
        Self { id: hidden_network("throttle", pepper, purpose, client_ip), backoff: Backoff::BY_CLIENT_IP }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// Too many failed attempts; the next is allowed at this moment.
    #[error("too many failed attempts")]
    Wait(Timestamp),
    #[error(transparent)]
    Table(#[from] TableError),
}

#[derive(Clone)]
pub struct FailedAttemptStore(VersionedItems<FailedAttempts>);

impl FailedAttemptStore {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self(VersionedItems::new(client, table))
    }

    /// Opens the connection that the first request will use.
    pub async fn open_connection(&self) {
        self.0.open_connection().await;
    }

    /// Counts an attempt at `subject` before it is judged.
    ///
    /// # Errors
    /// [`AttemptError::Wait`] if it may not be judged yet.
    pub async fn reserve(&self, subject: &Subject, now: Timestamp) -> Result<(), AttemptError> {
        self.reserve_on(self.load(subject).await?, subject, now).await
    }

    /// The attempts at `subject` so far.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn load(&self, subject: &Subject) -> Result<Option<FailedAttempts>, TableError> {
        self.0.load(&subject.id).await
    }

    /// [`Self::reserve`], with what [`Self::load`] has found.
    ///
    /// # Errors
    /// [`AttemptError::Wait`] if it may not be judged yet.
    pub async fn reserve_on(
        &self,
        found: Option<FailedAttempts>,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<(), AttemptError> {
        let mut race = Race::on(found);
        loop {
            // Callers that keep losing races are many at once, which is what the backoff is for.
            let Ok(present) = race.next_round() else {
                return Err(AttemptError::Wait(now.plus(subject.backoff.first_wait)));
            };
            let present = present.unwrap_or_else(|| FailedAttempts::none(&subject.id));
            let next = present.reserve(subject.backoff, now).map_err(AttemptError::Wait)?;
            match self.0.save(&next).await? {
                Swap::Saved(_) => return Ok(()),
                Swap::Lost(winner) => race.lost_to(winner),
            }
        }
    }

    /// Takes an attempt at `subject` back: it succeeded, and only failed ones count. If another attempt is counted at the
    /// same moment this one stays counted, which delays the next by little.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn release(&self, subject: &Subject) -> Result<(), TableError> {
        if let Some(next) = self.0.load(&subject.id).await?.and_then(|attempts| attempts.release()) {
            self.0.save(&next).await?;
        }
        Ok(())
    }

    /// Forgets the attempts at `subject`: the latest one succeeded.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn forget(&self, subject: &Subject) -> Result<(), TableError> {
        self.0.delete(&subject.id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_counts_as_one_client_ip() {
        let pepper = Pepper::new(&[1; 32]);
        let of = |client_ip: &str| Subject::client_ip(&pepper, "login", client_ip.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("203.0.113.1"), of("203.0.113.2"));
    }
}
