//! Secrets Manager, behind a cache of five minutes.

use std::{sync::Arc, time::Duration};

use aws_sdk_secretsmanager::{Client, operation::get_secret_value::GetSecretValueError};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use crate::clock::{Clock, Timestamp};

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("Secrets Manager did not answer: {0}")]
    Unavailable(String),
    #[error("the secret has no value yet")]
    Missing,
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

    /// Another secret, through the same connection.
    pub fn beside<U>(&self, id: String, parse: fn(&SecretString) -> Result<U, SecretError>) -> CachedSecret<U> {
        CachedSecret::new(self.client.clone(), id, Arc::clone(&self.clock), parse)
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
        match (self.read(None).await, &*cached) {
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

    /// Reads the secret anew: the cached one has just been refused somewhere.
    ///
    /// # Errors
    /// [`SecretError`] when it cannot be read.
    pub async fn refetch(&self) -> Result<Arc<T>, SecretError> {
        *self.cached.lock().await = None;
        self.get().await
    }

    /// The version before the present one, if there is one.
    ///
    /// # Errors
    /// [`SecretError`] when Secrets Manager is away.
    pub async fn previous(&self) -> Result<Option<T>, SecretError> {
        match self.read(Some("AWSPREVIOUS")).await {
            Ok(secret) => Ok(Some(secret)),
            Err(SecretError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores `text` as the present version; the one before stays within reach.
    ///
    /// # Errors
    /// [`SecretError::Unavailable`].
    pub async fn put(&self, text: &SecretString) -> Result<(), SecretError> {
        let put = self.client.put_secret_value().secret_id(&self.id).secret_string(text.expose_secret());
        put.send().await.map_err(|error| SecretError::Unavailable(crate::aws::reason(&error)))?;
        *self.cached.lock().await = None;
        Ok(())
    }

    async fn read(&self, stage: Option<&str>) -> Result<T, SecretError> {
        let answer = self
            .client
            .get_secret_value()
            .secret_id(&self.id)
            .set_version_stage(stage.map(str::to_owned))
            .send()
            .await
            .map_err(|error| match error.as_service_error() {
                Some(GetSecretValueError::ResourceNotFoundException(_)) => SecretError::Missing,
                _ => SecretError::Unavailable(crate::aws::reason(&error)),
            })?;
        let text = answer.secret_string.ok_or(SecretError::Malformed("not a text"))?;
        (self.parse)(&text.into())
    }
}
