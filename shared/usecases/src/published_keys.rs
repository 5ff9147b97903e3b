//! The public keys that anyone can check access tokens with.

use std::sync::Arc;

use jsonwebtoken::jwk::Jwk;
use twostep_domain::time::Clock;
use twostep_runtime::{
    config::ConfigError,
    secrets::{Keys, Secrets},
};

use crate::{outage::Outage, warm_up};

pub struct PublishedKeys {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
}

impl PublishedKeys {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self { clock: secrets.clock(), keys: secrets.keys()? })
    }

    pub async fn warm_up(&self) {
        warm_up::secret(&self.keys).await;
    }

    /// # Errors
    /// [`Outage`] if the keys cannot be read.
    pub async fn list(&self) -> Result<Vec<Jwk>, Outage> {
        Ok(self.keys.get().await?.jwks(self.clock.now()).cloned().collect())
    }
}
