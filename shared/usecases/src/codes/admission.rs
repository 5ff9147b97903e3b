//! Admission: whether a request may lead to a message, before anything is written.

use std::sync::Arc;

use twostep_crypto::KeyRing;
use twostep_domain::{
    account::PhoneTrust,
    challenge::Challenge,
    country::PhoneNotAllowed,
    ids::{ChallengeKey, ClientId},
    phone::PhoneNumber,
    settings::Settings,
    spending::{HeldBack, Mode},
    time::Clock,
};
use twostep_runtime::config::{self, ConfigError};
use twostep_stores::{CachedSettings, SlidingWindowStore, Tables, sliding_window::LimitError, spending::BreakerStore};

use super::{
    ChallengeView, Challenges,
    asking::Asking,
    challenges::{ChallengeError, NewCode, StartError},
    client_ip::ClientIpLimit,
};
use crate::{
    caller::Caller,
    messages::watch::{Watch, watched},
};

pub struct Admission {
    clock: Arc<dyn Clock>,
    client_ips: ClientIpLimit,
    breaker: Arc<BreakerStore>,
    windows: SlidingWindowStore,
    watch: Watch,
    /// Limits that make no sense on a laptop.
    lifted: bool,
}

/// A request that was admitted.
pub(crate) struct Admitted<T> {
    /// What was read meanwhile.
    pub found: T,
    pub settings: Arc<Settings>,
    pub asking: Asking,
}

impl Admission {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            client_ips: ClientIpLimit::open(tables)?,
            breaker: tables.breaker()?,
            windows: tables.sliding_windows()?,
            watch: Watch::open(tables)?,
            lifted: config::limits_are_lifted(tables.env())?,
        })
    }

    #[must_use]
    pub fn settings(&self) -> &Arc<CachedSettings> {
        &self.client_ips.settings
    }

    /// What `read` finds, and the settings, if a code may go from this caller to `phone`. The client IP is counted while
    /// the reads are under way. Errors come in one order, whichever result arrives first.
    pub(crate) async fn admit_while<T, E>(
        &self,
        caller: &Caller,
        ring: &KeyRing,
        phone: &PhoneNumber,
        trust: Option<PhoneTrust>,
        read: impl Future<Output = Result<T, E>>,
    ) -> Result<Admitted<Result<T, E>>, StartError> {
        // On the heap: this future holds three of the SDK's, and those are large.
        let allowed = Box::pin(async {
            let settings = self.settings().get().await?;
            self.admit(&settings, ring, trust, phone).await?;
            Ok::<_, StartError>(settings)
        });
        let counted = Box::pin(self.client_ips.count(caller, ring));
        let (settings, counted, found) = tokio::join!(allowed, counted, Box::pin(read));
        match (settings, counted) {
            (Ok(settings), Ok(asking)) => Ok(Admitted { found, settings, asking }),
            (Err(refusal), counted) => {
                if let Ok(asking) = counted {
                    self.client_ips.release(asking).await;
                }
                Err(refusal)
            }
            (Ok(_), Err(error)) => Err(error.into()),
        }
    }

    /// Starts a challenge for a request that was admitted. A request that sends nothing does not count at its client IP.
    pub(crate) async fn start(
        &self,
        challenges: &Challenges,
        ring: &KeyRing,
        key: ChallengeKey,
        present: Option<Challenge>,
        new: NewCode<'_>,
        asking: Asking,
    ) -> Result<ChallengeView, StartError> {
        let started = challenges.start(ring, key, present, new, &asking).await;
        self.client_ips.settle(asking, &started).await;
        Ok(started?.view)
    }

    /// Takes back what an admitted request counted at its client IP: it goes no further.
    pub(crate) async fn release(&self, asking: Asking) {
        self.client_ips.release(asking).await;
    }

    /// What `read` finds, and the request as its client IP counts it while the read is under way.
    pub(crate) async fn count_client_ip_while<T>(
        &self,
        caller: &Caller,
        ring: &KeyRing,
        read: impl Future<Output = T>,
    ) -> Result<(T, Asking), StartError> {
        let (counted, found) = tokio::join!(Box::pin(self.client_ips.count(caller, ring)), Box::pin(read));
        Ok((found, counted?))
    }

    /// Whether the settings and the breaker allow a code to `phone`. What is known about the number is left out, so the
    /// answer says nothing about it: without a `trust` only a spent budget refuses.
    pub(crate) async fn admit(
        &self,
        settings: &Settings,
        ring: &KeyRing,
        trust: Option<PhoneTrust>,
        phone: &PhoneNumber,
    ) -> Result<(), StartError> {
        let country = settings.allowed_countries.check(phone).map_err(|PhoneNotAllowed| StartError::PhoneNotAllowed)?;
        if !settings.two_step_enabled {
            return Err(StartError::CodesOff);
        }
        if self.lifted {
            return Ok(());
        }
        let now = self.clock.now();
        let mut allowed = self.breaker.get().await?.allows_all(now);
        if let (Ok(()), Some(trust), Mode::Enforce) = (allowed, trust, settings.breaker.mode) {
            let watched = watched(country, phone, &ring.pepper);
            allowed = self.watch.held(trust, &watched, &settings.breaker).await?;
        }
        allowed.map_err(|HeldBack { until }| StartError::BudgetSpent { wait: now.until(until) })
    }

    /// Counts a request of a client that does not say whose client IP it comes from.
    pub(crate) async fn count_client(&self, client: &ClientId, ring: &KeyRing) -> Result<(), StartError> {
        if self.lifted {
            return Ok(());
        }
        let id = ring.pepper.hide("quota|client", client.as_str());
        let (limit, now) = (self.settings().get().await?.limits.of_client(), self.clock.now());
        match self.windows.reserve(&id, &[limit], now).await {
            Ok(_) => Ok(()),
            Err(LimitError::Reached(until)) => Err(ChallengeError::TooManyRequests { wait: now.until(until) }.into()),
            Err(LimitError::Table(error)) => Err(error.into()),
        }
    }
}
