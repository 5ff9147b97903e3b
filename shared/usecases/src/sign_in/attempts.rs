//! Failed attempts at passwords and keys, counted before they are judged: of parallel attempts no more are judged than of
//! as many in a row.

use std::{sync::Arc, time::Duration};

use twostep_crypto::KeyRing;
use twostep_domain::time::Clock;
use twostep_runtime::config::{self, ConfigError};
use twostep_stores::{
    FailedAttemptStore, TableError, Tables,
    failed_attempts::{AttemptError, Subject},
};

use crate::caller::Caller;

/// Attempts at accounts.
pub struct Attempts {
    clock: Arc<dyn Clock>,
    store: FailedAttemptStore,
}

/// Attempts of client IPs.
pub struct ClientIpAttempts {
    attempts: Attempts,
    /// Whether client IPs are limited here.
    limited: bool,
}

/// The next attempt is allowed after this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub Duration);

/// An attempt of a client IP that has been counted; `None` where client IPs are not limited.
pub struct Reserved(Option<Subject>);

impl Attempts {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self { clock: tables.clock(), store: tables.failed_attempts()? })
    }

    /// Counts an attempt before it is judged.
    pub(crate) async fn reserve(&self, subject: &Subject) -> Result<Result<(), Wait>, TableError> {
        let now = self.clock.now();
        match self.store.reserve(subject, now).await {
            Ok(()) => Ok(Ok(())),
            Err(AttemptError::Wait(until)) => Ok(Err(Wait(now.until(until)))),
            Err(AttemptError::Table(error)) => Err(error),
        }
    }

    /// Forgets the attempts at an account: the latest one succeeded.
    pub(crate) async fn forget(&self, account: &Subject) -> Result<(), TableError> {
        self.store.forget(account).await
    }
}

impl ClientIpAttempts {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self { attempts: Attempts::open(tables)?, limited: config::client_ips_are_limited(tables.env())? })
    }

    /// Opens the connection that the first request will use.
    pub async fn open_connection(&self) {
        self.attempts.store.open_connection().await;
    }

    /// Counts an attempt before it is judged; `purpose` keeps attempts at different things apart.
    pub(crate) async fn reserve(
        &self,
        ring: &KeyRing,
        purpose: &str,
        caller: &Caller,
    ) -> Result<Result<Reserved, Wait>, TableError> {
        if !self.limited {
            return Ok(Ok(Reserved(None)));
        }
        let subject = Subject::client_ip(&ring.pepper, purpose, caller.client_ip);
        Ok(self.attempts.reserve(&subject).await?.map(|()| Reserved(Some(subject))))
    }

    /// Takes an attempt back: it succeeded, and only failed ones count.
    pub(crate) async fn release(&self, reserved: &Reserved) -> Result<(), TableError> {
        match &reserved.0 {
            Some(subject) => self.attempts.store.release(subject).await,
            None => Ok(()),
        }
    }
}
