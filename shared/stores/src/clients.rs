//! The client registry: one item of the `settings` table, read through a cache like the settings.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aws_sdk_dynamodb::Client as DynamoDb;
use serde::{Deserialize, Serialize};
use twostep_domain::{client::Client, ids::ClientId, time::Clock};
use twostep_runtime::cache::{Cached, Stale};

use crate::{
    compare_and_swap::{Versioned, VersionedItems},
    table::TableError,
};

const ID: &str = "clients";

/// All clients, with the version that was read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientRegistry {
    id: String,
    version: u64,
    clients: BTreeMap<ClientId, Client>,
}

impl ClientRegistry {
    /// DynamoDB's limit of an item is 400 KB, and a client has some attributes besides its addresses.
    const MOST_BYTES: usize = 250_000;
    const BYTES_OF_A_CLIENT: usize = 400;

    fn empty() -> Self {
        Self { id: ID.to_owned(), version: 0, clients: BTreeMap::new() }
    }

    #[must_use]
    pub fn get(&self, id: &ClientId) -> Option<&Client> {
        self.clients.get(id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.clients.values()
    }

    /// Adds or replaces a client.
    pub fn put(&mut self, client: Client) {
        self.clients.insert(client.id.clone(), client);
    }

    pub fn remove(&mut self, id: &ClientId) -> Option<Client> {
        self.clients.remove(id)
    }

    /// Whether all clients fit one item.
    #[must_use]
    pub fn fits(&self) -> bool {
        let addresses = |client: &Client| {
            let uris = client.redirect_uris.iter().chain(&client.post_logout_redirect_uris);
            uris.map(|uri| uri.as_str().len()).sum::<usize>()
        };
        let of = |client: &Client| Self::BYTES_OF_A_CLIENT + client.name.as_str().len() + addresses(client);
        self.iter().map(of).sum::<usize>() <= Self::MOST_BYTES
    }
}

impl Versioned for ClientRegistry {
    const TABLE: &'static str = "settings";

    fn id(&self) -> &str {
        &self.id
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn with_version(self, version: u64) -> Self {
        Self { version, ..self }
    }
}

#[derive(Clone)]
pub struct ClientStore(VersionedItems<ClientRegistry>);

impl ClientStore {
    #[must_use]
    pub fn new(client: DynamoDb, table: String) -> Self {
        Self(VersionedItems::new(client, table))
    }

    /// # Errors
    /// [`TableError`]
    pub async fn load(&self) -> Result<ClientRegistry, TableError> {
        Ok(self.0.load(ID).await?.unwrap_or_else(ClientRegistry::empty))
    }

    /// Applies `change` to the registry until its result is saved. Other changes at the same time are kept.
    ///
    /// # Errors
    /// Those of `change`, or [`TableError`].
    pub async fn change<T, E: From<TableError>>(
        &self,
        change: impl Fn(&mut ClientRegistry) -> Result<T, E>,
    ) -> Result<T, E> {
        self.0.change(ID, ClientRegistry::empty, change).await
    }
}

/// The registry as every function but `clients` reads it.
pub struct CachedClients {
    store: ClientStore,
    clock: Arc<dyn Clock>,
    cached: Cached<ClientRegistry>,
}

impl CachedClients {
    const FRESH_FOR: Duration = Duration::from_secs(30);

    #[must_use]
    pub fn new(store: ClientStore, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, cached: Cached::new(Self::FRESH_FOR, Stale::Refuse) }
    }

    /// Reads the registry ahead of the first request.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn warm_up(&self) -> Result<(), TableError> {
        self.get().await.map(|_| ())
    }

    /// The client that `accepts` what its caller sent. If the cached one doesn't, the registry is read again: a client, an
    /// address or a secret may be new. What was removed can be accepted for 30 seconds more.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn find(&self, id: &ClientId, accepts: impl Fn(&Client) -> bool) -> Result<Option<Client>, TableError> {
        let accepted = |registry: &ClientRegistry| registry.get(id).filter(|client| accepts(client)).cloned();
        if let Some(client) = accepted(&*self.get().await?) {
            return Ok(Some(client));
        }
        self.cached.forget().await;
        Ok(accepted(&*self.get().await?))
    }

    async fn get(&self) -> Result<Arc<ClientRegistry>, TableError> {
        self.cached.get(self.clock.now(), self.store.load()).await
    }
}
