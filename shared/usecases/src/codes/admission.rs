//! Admission: whether a request may lead to a message, before anything is written.

use std::sync::Arc;

use twostep_crypto::KeyRing;
use twostep_domain::{
    account::PhoneTrust,
    country::PhoneNotAllowed,
    ids::ClientId,
    phone::PhoneNumber,
    settings::Settings,
    spending::{HeldBack, Mode, Scope},
    time::Clock,
};
use twostep_runtime::config::{self, ConfigError};
use twostep_stores::{
    CachedSettings, SlidingWindowStore, Tables, client_network::hidden_network, sliding_window::LimitError,
    spending::BreakerStore,
};

use super::challenges::StartError;
use crate::caller::Caller;

pub struct Admission {
    clock: Arc<dyn Clock>,
    pub settings: Arc<CachedSettings>,
    breaker: Arc<BreakerStore>,
    windows: SlidingWindowStore,
    /// Limits that make no sense on a laptop.
    lifted: bool,
    limit_client_ips: bool,
}

impl Admission {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            settings: tables.settings()?,
            breaker: tables.breaker()?,
            windows: tables.sliding_windows()?,
            lifted: config::limits_are_lifted(tables.env())?,
            limit_client_ips: config::client_ips_are_limited(tables.env())?,
        })
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
    ) -> Result<(Result<T, E>, Arc<Settings>), StartError> {
        // On the heap: this future holds three of the SDK's, and those are large.
        let allowed = Box::pin(async {
            let settings = self.settings.get().await?;
            self.admit(&settings, trust, phone).await?;
            Ok::<_, StartError>(settings)
        });
        let counted = Box::pin(self.count_client_ip(caller, ring));
        let (settings, counted, found) = tokio::join!(allowed, counted, Box::pin(read));
        let settings = settings?;
        counted?;
        Ok((found, settings))
    }

    /// What `read` finds, if this caller may ask for another code. The client IP is counted while the read is under way.
    pub(crate) async fn count_client_ip_while<T>(
        &self,
        caller: &Caller,
        ring: &KeyRing,
        read: impl Future<Output = T>,
    ) -> Result<T, StartError> {
        let (counted, found) = tokio::join!(Box::pin(self.count_client_ip(caller, ring)), Box::pin(read));
        counted?;
        Ok(found)
    }

    /// Whether the settings and the breaker allow a code to `phone`. What is known about the number is left out, so the
    /// answer says nothing about it: without a `trust` only a spent budget refuses.
    pub(crate) async fn admit(
        &self,
        settings: &Settings,
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
        let (breaker, now) = (self.breaker.get().await?, self.clock.now());
        let by_scope = || match (trust, settings.breaker.mode) {
            (Some(trust), Mode::Enforce) => {
                breaker.allows(trust, &[Scope::Country(country), Scope::prefix_of(phone)], now)
            }
            _ => Ok(()),
        };
        breaker
            .allows_all(now)
            .and_then(|()| by_scope())
            .map_err(|HeldBack { until }| StartError::BudgetSpent { wait: now.until(until) })
    }

    /// Counts a request of a client that does not say whose client IP it comes from.
    pub(crate) async fn count_client(&self, client: &ClientId, ring: &KeyRing) -> Result<(), StartError> {
        if self.lifted {
            return Ok(());
        }
        let id = ring.pepper.hide("quota|client", client.as_str());
        let (limit, now) = (self.settings.get().await?.limits.of_client(), self.clock.now());
        self.windows.reserve(&id, &[limit], now).await.map_err(|error| match error {
            LimitError::Reached(until) => StartError::TooManyRequests { wait: now.until(until) },
            LimitError::Table(error) => error.into(),
        })
    }

    async fn count_client_ip(&self, caller: &Caller, ring: &KeyRing) -> Result<(), StartError> {
        if !self.limit_client_ips {
            return Ok(());
        }
        let id = hidden_network("quota", &ring.pepper, "start", caller.client_ip);
        let (limits, now) = (self.settings.get().await?.limits.of_client_ip(), self.clock.now());
        self.windows.reserve(&id, &limits, now).await.map_err(|error| match error {
            LimitError::Reached(until) => StartError::TooManyRequests { wait: now.until(until) },
            LimitError::Table(error) => error.into(),
        })
    }
}
