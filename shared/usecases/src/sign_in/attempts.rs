//! Failed attempts at passwords and keys, counted before they are judged: of parallel attempts no more are judged than of
//! as many in a row.

use std::{sync::Arc, time::Duration};

use twostep_crypto::{KeyRing, Pepper};
use twostep_domain::{
    account::User,
    failed_attempts::{Backoff, FailedAttempts},
    ids::UserId,
    time::{Clock, Timestamp},
};
use twostep_runtime::config::{self, ConfigError};
use twostep_stores::{
    FailedAttemptStore, SlidingWindowStore, TableError, Tables,
    failed_attempts::{AttemptError, Subject},
    sliding_window::LimitError,
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

/// Attempts at passwords. They are counted for the one who guesses: a client IP, a network at one account, or a remembered
/// device. No stranger uses up the owner's attempts.
pub struct PasswordAttempts {
    at_account: Attempts,
    client_ips: ClientIpAttempts,
    windows: SlidingWindowStore,
}

/// An attempt at a password that has been counted.
pub(crate) enum CountedAttempt {
    /// Of a remembered device of the account.
    Device(Subject),
    Network {
        client_ip: Reserved,
        at_account: Subject,
        /// Where it counts over all networks, and when it was counted.
        pressure: Option<(String, Timestamp)>,
    },
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
        self.reserve_on(self.store.load(subject).await?, subject).await
    }

    /// [`Self::reserve`], with the attempts at `subject` so far.
    async fn reserve_on(
        &self,
        found: Option<FailedAttempts>,
        subject: &Subject,
    ) -> Result<Result<(), Wait>, TableError> {
        let now = self.clock.now();
        match self.store.reserve_on(found, subject, now).await {
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

impl PasswordAttempts {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self {
            at_account: Attempts::open(tables)?,
            client_ips: ClientIpAttempts::open(tables)?,
            windows: tables.sliding_windows()?,
        })
    }

    /// Counts an attempt at the account with this `name` before it is judged. `device` is the id of a remembered device of the
    /// account, whose token came with the attempt: it has attempts of its own, whatever others do. An account that an
    /// operator has unlocked at `unlocked_at` begins anew.
    pub(crate) async fn reserve(
        &self,
        ring: &KeyRing,
        caller: &Caller,
        name: &str,
        device: Option<&str>,
        unlocked_at: Option<Timestamp>,
    ) -> Result<Result<CountedAttempt, Wait>, TableError> {
        let pepper = &ring.pepper;
        if let Some(device) = device {
            let subject = Subject::device(pepper, device);
            return Ok(self.at_account.reserve(&subject).await?.map(|()| CountedAttempt::Device(subject)));
        }
        // The client IP comes first, so that a blocked one does not count at accounts.
        let client_ip = match self.client_ips.reserve(ring, "login", caller).await? {
            Ok(client_ip) => client_ip,
            Err(wait) => return Ok(Err(wait)),
        };
        let (pressure, now) = (pressure_at(pepper, name), self.at_account.clock.now());
        let subject = Subject::account_from(pepper, name, caller.client_ip);
        let (all, own) = tokio::join!(
            self.windows.reserve(&pressure, &[Backoff::PRESSURE], now),
            self.at_account.store.load(&subject)
        );
        let (backoff, pressure) = match all {
            Ok(_) => (Backoff::BY_ACCOUNT, Some((pressure, now))),
            Err(LimitError::Reached(_)) => (Backoff::UNDER_PRESSURE, None),
            Err(LimitError::Table(error)) => return Err(error),
        };
        let attempt = CountedAttempt::Network { client_ip, at_account: subject.with_backoff(backoff), pressure };
        let own = own?.map(|attempts| attempts.forgiven(unlocked_at));
        match self.at_account.reserve_on(own, attempt.subject()).await? {
            Ok(()) => Ok(Ok(attempt)),
            Err(wait) => {
                self.take_back(&attempt).await?;
                Ok(Err(wait))
            }
        }
    }

    /// Forgets the attempts at `user`'s account that count for no single network; those of networks end by the account's
    /// `unlocked_at`.
    pub(crate) async fn forgive(&self, pepper: &Pepper, user: &User) -> Result<(), TableError> {
        self.windows.forget(&pressure_at(pepper, &user.email.normalised())).await?;
        let devices = user.devices.keys().map(|device| Subject::device(pepper, device));
        for subject in devices.chain([password_change(pepper, &user.id), confirmation(pepper, &user.id)]) {
            self.at_account.forget(&subject).await?;
        }
        Ok(())
    }

    /// The attempt succeeded: only failed ones count.
    pub(crate) async fn succeeded(&self, attempt: &CountedAttempt) -> Result<(), TableError> {
        tokio::try_join!(self.at_account.forget(attempt.subject()), self.take_back(attempt))?;
        Ok(())
    }

    /// Takes back what is counted elsewhere than at the account.
    async fn take_back(&self, attempt: &CountedAttempt) -> Result<(), TableError> {
        let CountedAttempt::Network { client_ip, pressure, .. } = attempt else { return Ok(()) };
        let pressure = async {
            match pressure {
                Some((id, at)) => self.windows.release(id, SlidingWindowStore::LIST, *at).await,
                None => Ok(()),
            }
        };
        tokio::try_join!(self.client_ips.release(client_ip), pressure)?;
        Ok(())
    }
}

/// Where the attempts of all networks at an account count.
fn pressure_at(pepper: &Pepper, name: &str) -> String {
    pepper.hide("throttle|pressure", name)
}

/// Attempts at the present password when it is changed. They count apart from sign-ins: guessing at a sign-in must not keep
/// the owner from changing the password.
pub(crate) fn password_change(pepper: &Pepper, user: &UserId) -> Subject {
    Subject::account(pepper, user.as_str())
}

/// Attempts at what confirms a sign-in by an idle number. They count apart from sign-ins by password, so that a stranger who
/// has the number does not delay those.
pub(crate) fn confirmation(pepper: &Pepper, user: &UserId) -> Subject {
    Subject::account(pepper, &format!("confirm|{}", user.as_str()))
}

impl CountedAttempt {
    fn subject(&self) -> &Subject {
        match self {
            Self::Device(subject) | Self::Network { at_account: subject, .. } => subject,
        }
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
