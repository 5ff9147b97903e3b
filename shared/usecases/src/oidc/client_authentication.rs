//! Which client calls: by its secret, or by its name alone if it cannot keep one (RFC 6749 §2.3).

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use twostep_crypto::client_secret;
use twostep_domain::{client::Client, ids::ClientId, time::Clock};
use twostep_runtime::{
    config::ConfigError,
    secrets::{Keys, Secrets},
};
use twostep_stores::{CachedClients, Tables};

use crate::{
    caller::Caller,
    outage::{Outage, from_outage},
    sign_in::attempts::{ClientIpAttempts, Wait},
    warm_up,
};

pub struct AuthenticateClient {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    clients: CachedClients,
    attempts: ClientIpAttempts,
}

/// What a client claims to be.
pub struct ClientCredentials {
    pub id: ClientId,
    pub secret: Option<SecretString>,
}

#[derive(Debug, thiserror::Error)]
pub enum ClientAuthError {
    /// No such client, or not its secret.
    #[error("unknown client or wrong secret")]
    InvalidClient,
    /// Too many wrong secrets from this client IP.
    #[error("too many requests")]
    TooManyRequests { wait: Duration },
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(ClientAuthError);

impl AuthenticateClient {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            clients: tables.cached_clients()?,
            attempts: ClientIpAttempts::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        tokio::join!(warm_up::secret(&self.keys), warm_up::clients(&self.clients));
    }

    /// A secret has 256 random bits, so guesses are counted only after they were wrong, and a client with the right secret
    /// is never kept waiting.
    ///
    /// # Errors
    /// [`ClientAuthError`]
    pub async fn authenticate(
        &self,
        caller: &Caller,
        credentials: &ClientCredentials,
    ) -> Result<Client, ClientAuthError> {
        let now = self.clock.now();
        let accepts = |client: &Client| match &credentials.secret {
            Some(secret) => client.kind.is_confidential() && client_secret::belongs_to(client, secret, now),
            None => !client.kind.is_confidential(),
        };
        if let Some(client) = self.clients.find(&credentials.id, accepts).await? {
            return Ok(client);
        }
        let ring = self.keys.get().await?;
        match self.attempts.reserve(&ring, "client", caller).await? {
            Ok(_) => Err(ClientAuthError::InvalidClient),
            Err(Wait(wait)) => Err(ClientAuthError::TooManyRequests { wait }),
        }
    }
}
