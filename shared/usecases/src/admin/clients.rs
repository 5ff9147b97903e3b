//! The operator's clients: make, change, renew and remove them.

use std::sync::Arc;

use twostep_crypto::opaque_token::OpaqueToken;
use twostep_domain::{
    account::{Action, Operator},
    client::{Client, ClientKind, ClientName, RedirectUri},
    ids::ClientId,
    time::Clock,
};
use twostep_runtime::{config::ConfigError, entropy};
use twostep_stores::{ClientStore, TableError, Tables, clients::ClientRegistry};

use super::trail::Trail;
use crate::outage::{Outage, from_outage};

pub struct ManageClients {
    clock: Arc<dyn Clock>,
    store: ClientStore,
    trail: Trail,
}

/// What a request sets; `None` leaves it as it is.
#[derive(Default)]
pub struct ClientChange {
    pub name: Option<String>,
    pub redirect_uris: Option<Vec<String>>,
    pub post_logout_redirect_uris: Option<Vec<String>>,
}

/// A client with the secret that only this response shows.
pub struct WithSecret {
    pub client: Client,
    /// `None` for public clients.
    pub secret: Option<OpaqueToken>,
}

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("there is no such client")]
    Unknown,
    /// The value is not possible for this field.
    #[error("{0} is not valid")]
    Invalid(&'static str),
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(ClientError: TableError);

/// Redirect URIs of each kind that one client can have.
const MOST_URIS: usize = 20;

impl ManageClients {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self { clock: tables.clock(), store: tables.clients()?, trail: Trail::open(tables)? })
    }

    /// All clients, the oldest first.
    ///
    /// # Errors
    /// [`Outage`]
    pub async fn list(&self) -> Result<Vec<Client>, Outage> {
        let mut clients: Vec<Client> = self.store.load().await?.iter().cloned().collect();
        clients.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        Ok(clients)
    }

    /// # Errors
    /// [`ClientError::Unknown`]
    pub async fn find(&self, id: &ClientId) -> Result<Client, ClientError> {
        self.store.load().await?.get(id).cloned().ok_or(ClientError::Unknown)
    }

    /// # Errors
    /// [`ClientError::Invalid`]
    pub async fn create(
        &self,
        who: &Operator,
        kind: ClientKind,
        change: &ClientChange,
    ) -> Result<WithSecret, ClientError> {
        let (rng, now) = (&mut entropy::system(), self.clock.now());
        let name = parse_name(change.name.as_deref().unwrap_or_default())?;
        let mut client = change.apply(Client::new(ClientId::random(rng), name, kind, now))?;
        let secret = kind.is_confidential().then(|| OpaqueToken::random(rng));
        if let Some(secret) = &secret {
            client = client.with_secret(secret.hash(), now);
        }
        self.store.change(|registry| save(registry, client.clone())).await?;
        self.note(who, Action::ClientCreated, &client.id).await;
        Ok(WithSecret { client, secret })
    }

    /// # Errors
    /// [`ClientError`]
    pub async fn change(&self, who: &Operator, id: &ClientId, change: &ClientChange) -> Result<Client, ClientError> {
        let changed = self.store.change(|registry| {
            let client = change.apply(present(registry, id)?)?;
            save(registry, client.clone())?;
            Ok::<_, ClientError>(client)
        });
        let client = changed.await?;
        self.note(who, Action::ClientChanged, id).await;
        Ok(client)
    }

    /// Gives a client a new secret. The former one stays valid for a day.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] for a public client, which has no secret.
    pub async fn renew_secret(&self, who: &Operator, id: &ClientId) -> Result<WithSecret, ClientError> {
        let (secret, now) = (OpaqueToken::random(&mut entropy::system()), self.clock.now());
        let renewed = self.store.change(|registry| {
            let client = present(registry, id)?;
            if !client.kind.is_confidential() {
                return Err(ClientError::Invalid("kind"));
            }
            let client = client.with_secret(secret.hash(), now);
            save(registry, client.clone())?;
            Ok(client)
        });
        let client = renewed.await?;
        self.note(who, Action::ClientSecretRenewed, id).await;
        Ok(WithSecret { client, secret: Some(secret) })
    }

    /// Removes a client. Within 30 seconds, functions stop accepting it.
    ///
    /// # Errors
    /// [`ClientError::Unknown`]
    pub async fn remove(&self, who: &Operator, id: &ClientId) -> Result<(), ClientError> {
        self.store.change(|registry| registry.remove(id).map(|_| ()).ok_or(ClientError::Unknown)).await?;
        self.note(who, Action::ClientRemoved, id).await;
        Ok(())
    }

    async fn note(&self, who: &Operator, action: Action, id: &ClientId) {
        self.trail.note(self.trail.entry(who, action).about([id.as_str()])).await;
    }
}

impl ClientChange {
    fn apply(&self, mut client: Client) -> Result<Client, ClientError> {
        if let Some(name) = &self.name {
            client.name = parse_name(name)?;
        }
        if let Some(uris) = &self.redirect_uris {
            client.redirect_uris = parse_uris(uris, client.kind, "redirect_uris")?;
        }
        if let Some(uris) = &self.post_logout_redirect_uris {
            client.post_logout_redirect_uris = parse_uris(uris, client.kind, "post_logout_redirect_uris")?;
        }
        Ok(client)
    }
}

fn present(registry: &ClientRegistry, id: &ClientId) -> Result<Client, ClientError> {
    registry.get(id).cloned().ok_or(ClientError::Unknown)
}

fn save(registry: &mut ClientRegistry, client: Client) -> Result<(), ClientError> {
    registry.put(client);
    if registry.fits() { Ok(()) } else { Err(ClientError::Invalid("redirect_uris")) }
}

fn parse_name(name: &str) -> Result<ClientName, ClientError> {
    ClientName::parse(name).map_err(|_| ClientError::Invalid("name"))
}

/// No browser comes back to a server that only verifies numbers, so it has no redirect URI.
fn parse_uris(uris: &[String], kind: ClientKind, field: &'static str) -> Result<Vec<RedirectUri>, ClientError> {
    if uris.len() > MOST_URIS || (kind == ClientKind::Server && !uris.is_empty()) {
        return Err(ClientError::Invalid(field));
    }
    uris.iter().map(|uri| RedirectUri::parse(uri, kind).map_err(|_| ClientError::Invalid(field))).collect()
}
