//! Secrets Manager, behind a cache of five minutes.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_sdk_secretsmanager::{Client, operation::get_secret_value::GetSecretValueError};
use secrecy::{ExposeSecret, SecretString};
use twostep_crypto::{
    constant_time,
    key_ring::{KeyRing, KeysError},
};
use twostep_domain::time::{Clock, MINUTE};

use crate::{
    aws,
    cache::{Cached, Stale},
    config::{ConfigError, Environment},
    startup::Startup,
};

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

impl From<KeysError> for SecretError {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::NotCreated => Self::Missing,
            KeysError::Malformed(part) => Self::Malformed(part),
        }
    }
}

/// The keys secret.
pub type Keys = CachedSecret<KeyRing>;

type Parse<T> = fn(&SecretString) -> Result<T, SecretError>;

/// A secret, parsed to a `T` when it is first needed and read again every five minutes. While Secrets Manager is
/// unavailable, the value in memory stays in use.
pub struct CachedSecret<T> {
    client: Client,
    id: String,
    clock: Arc<dyn Clock>,
    parse: Parse<T>,
    cached: Cached<T>,
}

impl<T> CachedSecret<T> {
    const FRESH_FOR: Duration = Duration::from_secs(5 * MINUTE.as_secs());

    #[must_use]
    pub fn new(client: Client, id: String, clock: Arc<dyn Clock>, parse: Parse<T>) -> Self {
        Self { client, id, clock, parse, cached: Cached::new(Self::FRESH_FOR, Stale::Serve) }
    }

    /// The same secret, read again as soon as it is `fresh_for` old.
    #[must_use]
    pub fn fresh_for(self, fresh_for: Duration) -> Self {
        Self { cached: Cached::new(fresh_for, Stale::Serve), ..self }
    }

    /// # Errors
    /// [`SecretError`] if it could never be read.
    pub async fn get(&self) -> Result<Arc<T>, SecretError> {
        self.cached.get(self.clock.now(), self.read(None)).await
    }

    /// Reads the secret again: the cached one has been refused somewhere. If it cannot be read, the cached one stays.
    ///
    /// # Errors
    /// [`SecretError`] if it cannot be read.
    pub async fn refetch(&self) -> Result<Arc<T>, SecretError> {
        self.cached.renew(self.clock.now(), self.read(None)).await
    }

    /// The version before the present one, if there is one.
    ///
    /// # Errors
    /// [`SecretError`] if Secrets Manager is unavailable.
    pub async fn previous(&self) -> Result<Option<T>, SecretError> {
        match self.read(Some("AWSPREVIOUS")).await {
            Ok(secret) => Ok(Some(secret)),
            Err(SecretError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores `text` as the present version. The one before stays available.
    ///
    /// # Errors
    /// [`SecretError::Unavailable`]
    pub async fn put(&self, text: &SecretString) -> Result<(), SecretError> {
        let put = self.client.put_secret_value().secret_id(&self.id).secret_string(text.expose_secret());
        put.send().await.map_err(|error| SecretError::Unavailable(aws::reason(&error)))?;
        self.cached.forget().await;
        Ok(())
    }

    async fn read(&self, stage: Option<&str>) -> Result<T, SecretError> {
        let response = self
            .client
            .get_secret_value()
            .secret_id(&self.id)
            .set_version_stage(stage.map(str::to_owned))
            .send()
            .await
            .map_err(|error| match error.as_service_error() {
                Some(GetSecretValueError::ResourceNotFoundException(_)) => SecretError::Missing,
                _ => SecretError::Unavailable(aws::reason(&error)),
            })?;
        let text = response.secret_string.ok_or(SecretError::Malformed("not a text"))?;
        (self.parse)(&text.into())
    }
}

/// A token that callers present. After it is replaced, the previous one is accepted until the next replacement, so that
/// callers can change over.
pub struct SharedToken {
    current: CachedSecret<SecretString>,
    previous: Cached<Option<SecretString>>,
}

impl SharedToken {
    const SHORTEST: usize = 32;

    pub async fn warm_up(&self) {
        if let Err(error) = self.current.get().await {
            tracing::error!(%error, "a secret could not be read at start");
        }
    }

    /// Compares in constant time.
    ///
    /// # Errors
    /// [`SecretError`] if the token could never be read, or is short enough to be guessed.
    pub async fn accepts(&self, given: &str) -> Result<bool, SecretError> {
        if constant_time::equal(given, self.current.get().await?.expose_secret()) {
            return Ok(true);
        }
        let previous = self.previous.get(self.current.clock.now(), self.current.previous()).await?;
        Ok(previous.as_ref().as_ref().is_some_and(|previous| constant_time::equal(given, previous.expose_secret())))
    }

    fn parse(token: &SecretString) -> Result<SecretString, SecretError> {
        let is_long = token.expose_secret().len() >= Self::SHORTEST;
        if is_long { Ok(token.clone()) } else { Err(SecretError::Malformed("a token of fewer than 32 characters")) }
    }
}

/// Opens secrets by the environment variables that name them, so that a function reads only what it needs.
pub struct Secrets {
    client: Client,
    env: Environment,
    clock: Arc<dyn Clock>,
    keys: OnceLock<Arc<Keys>>,
}

impl Secrets {
    #[must_use]
    pub fn new(startup: &Startup) -> Self {
        Self::with_client(Client::new(&startup.aws), startup.env.clone(), Arc::clone(&startup.clock))
    }

    #[must_use]
    pub fn with_client(client: Client, env: Environment, clock: Arc<dyn Clock>) -> Self {
        Self { client, env, clock, keys: OnceLock::new() }
    }

    /// # Errors
    /// [`ConfigError`] if `variable` is not set.
    pub fn open<T>(&self, variable: &'static str, parse: Parse<T>) -> Result<CachedSecret<T>, ConfigError> {
        let id = self.env.required(variable)?;
        Ok(CachedSecret::new(self.client.clone(), id, Arc::clone(&self.clock), parse))
    }

    /// # Errors
    /// [`ConfigError`] if `variable` is not set.
    pub fn shared_token(&self, variable: &'static str) -> Result<SharedToken, ConfigError> {
        let current = self.open(variable, SharedToken::parse)?;
        Ok(SharedToken { current, previous: Cached::new(CachedSecret::<SecretString>::FRESH_FOR, Stale::Serve) })
    }

    /// The keys secret. All who ask share one cache.
    ///
    /// # Errors
    /// [`ConfigError`] if `KEYS_SECRET` is not set.
    pub fn keys(&self) -> Result<Arc<Keys>, ConfigError> {
        if let Some(keys) = self.keys.get() {
            return Ok(Arc::clone(keys));
        }
        let keys = Arc::new(self.open("KEYS_SECRET", |secret| Ok(KeyRing::parse(secret)?))?);
        Ok(Arc::clone(self.keys.get_or_init(|| keys)))
    }

    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }
}
