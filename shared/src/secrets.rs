//! Secrets Manager, behind a cache of five minutes.

use std::{sync::Arc, time::Duration};

use aws_sdk_secretsmanager::Client;
use secrecy::SecretString;
use tokio::sync::Mutex;

use crate::clock::{Clock, Timestamp};

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("Secrets Manager did not answer: {0}")]
    Unavailable(String),
    /// Names the part, never the content.
    #[error("the secret is malformed: {0}")]
    Malformed(&'static str),
}

/// One secret, parsed to a `T` when it is first needed and read again every five minutes.
pub struct CachedSecret<T> {
    client: Client,
    id: String,
    clock: Arc<dyn Clock>,
    parse: fn(&SecretString) -> Result<T, SecretError>,
    cached: Mutex<Option<(Timestamp, Arc<T>)>>,
}

impl<T> CachedSecret<T> {
    const FRESH_FOR: Duration = Duration::from_secs(5 * 60);

    pub fn new(
        client: Client,
        id: String,
        clock: Arc<dyn Clock>,
        parse: fn(&SecretString) -> Result<T, SecretError>,
    ) -> Self {
        Self { client, id, clock, parse, cached: Mutex::new(None) }
    }

    /// The secret, at most five minutes old; an older one is better than none while Secrets Manager is away.
    ///
    /// # Errors
    /// [`SecretError`] when it could never be read.
    pub async fn get(&self) -> Result<Arc<T>, SecretError> {
        let mut cached = self.cached.lock().await;
        let now = self.clock.now();
        if let Some((read_at, secret)) = &*cached
            && now < read_at.plus(Self::FRESH_FOR)
        {
            return Ok(Arc::clone(secret));
        }
        match (self.read().await, &*cached) {
            (Ok(secret), _) => {
                let secret = Arc::new(secret);
                *cached = Some((now, Arc::clone(&secret)));
                Ok(secret)
            }
            (Err(error), Some((_, stale))) => {
                tracing::warn!(%error, "a secret could not be read again; the cached one stays in use");
                Ok(Arc::clone(stale))
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn read(&self) -> Result<T, SecretError> {
        let answer = self
            .client
            .get_secret_value()
            .secret_id(&self.id)
            .send()
            .await
            .map_err(|error| SecretError::Unavailable(crate::aws::reason(&error)))?;
        let text = answer.secret_string.ok_or(SecretError::Malformed("not a text"))?;
        (self.parse)(&text.into())
    }
}
