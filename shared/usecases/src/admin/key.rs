//! The admin key.

use std::{sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use twostep_crypto::constant_time;
use twostep_runtime::{
    config::ConfigError,
    secrets::{CachedSecret, Keys, Secrets},
};
use twostep_stores::Tables;

use crate::{
    caller::Caller,
    outage::{Outage, from_outage},
    sign_in::attempts::{ClientIpAttempts, Wait},
    warm_up,
};

pub struct AdminKey {
    keys: Arc<Keys>,
    key: CachedSecret<SecretString>,
    attempts: ClientIpAttempts,
}

#[derive(Debug, thiserror::Error)]
pub enum AdminKeyError {
    #[error("the admin key is wrong")]
    InvalidKey,
    #[error("too many requests")]
    TooManyRequests { wait: Duration },
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(AdminKeyError);

impl AdminKey {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            keys: secrets.keys()?,
            key: secrets.open("ADMIN_SECRET", |key| Ok(key.clone()))?,
            attempts: ClientIpAttempts::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        tokio::join!(warm_up::secret(&self.keys), warm_up::secret(&self.key), self.attempts.open_connection());
    }

    /// Checks the admin key in constant time, and gives its end, which is what the trail names. Wrong ones are counted per
    /// client IP.
    ///
    /// # Errors
    /// [`AdminKeyError`]
    pub async fn authorise(&self, caller: &Caller, given: &str) -> Result<String, AdminKeyError> {
        let ring = self.keys.get().await?;
        let reserved = self.attempts.reserve(&ring, "admin", caller).await?;
        let reserved = reserved.map_err(|Wait(wait)| AdminKeyError::TooManyRequests { wait })?;
        let key = self.key.get().await?;
        if !constant_time::equal(given, key.expose_secret()) {
            return Err(AdminKeyError::InvalidKey);
        }
        self.attempts.release(&reserved).await?;
        Ok(hint(given))
    }
}

/// The end of a key, which tells keys apart and gives none away.
pub(super) fn hint(key: &str) -> String {
    let shown = key.trim_end_matches('=');
    let start = shown.char_indices().rev().nth(3).map_or(0, |(start, _)| start);
    format!("…{}", &shown[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_the_end_of_a_key() {
        assert_eq!(hint("abcdefgh=="), "…efgh");
        assert_eq!(hint("ab"), "…ab");
        assert_eq!(hint(""), "…");
    }
}
