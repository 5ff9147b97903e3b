//! The rate limit of client IPs: messages that were really asked for, on every route that can lead to one.

use std::sync::Arc;

use twostep_crypto::KeyRing;
use twostep_domain::{
    settings::Settings,
    time::{Clock, HOUR},
};
use twostep_runtime::config::{self, ConfigError};
use twostep_stores::{
    CachedSettings, SlidingWindowStore, TableError, Tables, client_network::hidden_network, sliding_window::LimitError,
};

use super::{
    asking::Asking,
    challenges::{ChallengeError, Started},
};
use crate::caller::Caller;

pub struct ClientIpLimit {
    clock: Arc<dyn Clock>,
    pub settings: Arc<CachedSettings>,
    windows: SlidingWindowStore,
    /// Whether client IPs are limited here.
    limited: bool,
}

impl ClientIpLimit {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            settings: tables.settings()?,
            windows: tables.sliding_windows()?,
            limited: config::client_ips_are_limited(tables.env())?,
        })
    }

    /// Counts a message at the caller's client IP, while the challenge is read that says whether one is sent. Whether the
    /// limit is reached matters only then.
    pub(crate) async fn count(&self, caller: &Caller, ring: &KeyRing) -> Result<Asking, TableError> {
        if !self.limited {
            return Ok(Asking::uncounted());
        }
        let id = hidden_network("quota", &ring.pepper, "start", caller.client_ip);
        let (settings, now) = (self.settings.get().await?, self.clock.now());
        let Settings { limits, breaker, .. } = &*settings;
        match self.windows.reserve(&id, &limits.of_client_ip(), now).await {
            Ok(counted) => {
                let in_hour = counted.within(SlidingWindowStore::LIST, HOUR, now);
                let weighed = in_hour <= breaker.single_share();
                Ok(Asking { counted: Some((id, now)), refused: None, weighed })
            }
            Err(LimitError::Reached(until)) => {
                Ok(Asking { counted: None, refused: Some(now.until(until)), weighed: false })
            }
            Err(LimitError::Table(error)) => Err(error),
        }
    }

    /// Takes `asking` back unless a message was asked for.
    pub(crate) async fn settle(&self, asking: Asking, started: &Result<Started, ChallengeError>) {
        match started {
            // After an outage the message may have been saved.
            Ok(Started { is_sent: true, .. }) | Err(ChallengeError::Outage(_)) => {}
            Ok(_) | Err(ChallengeError::TooManyCodes { .. } | ChallengeError::TooManyRequests { .. }) => {
                self.release(asking).await;
            }
        }
    }

    /// Takes `asking` back: no message was asked for.
    pub(crate) async fn release(&self, asking: Asking) {
        let Some((id, at)) = asking.counted else { return };
        if let Err(error) = self.windows.release(&id, SlidingWindowStore::LIST, at).await {
            tracing::warn!(%error, "a request that sent nothing stays counted");
        }
    }
}
