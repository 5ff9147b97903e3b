//! The registry of webhooks: one item of the `settings` table.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::Client;
use serde::{Deserialize, Serialize};
use twostep_domain::{time::Clock, webhook::Webhook};
use twostep_runtime::cache::{Cached, Stale};

use crate::{
    compare_and_swap::{Versioned, VersionedItems},
    table::TableError,
};

const ID: &str = "webhooks";

/// All webhooks, the oldest first, with the version that was read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WebhookRegistry {
    id: String,
    version: u64,
    pub webhooks: Vec<Webhook>,
}

impl WebhookRegistry {
    fn empty() -> Self {
        Self { id: ID.to_owned(), version: 0, webhooks: Vec::new() }
    }

    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Webhook> {
        self.webhooks.iter().find(|webhook| webhook.id == id)
    }
}

impl Versioned for WebhookRegistry {
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

/// The registry. Functions that only read it do so through a cache.
pub struct WebhookStore {
    items: VersionedItems<WebhookRegistry>,
    clock: Arc<dyn Clock>,
    cached: Cached<WebhookRegistry>,
}

impl WebhookStore {
    const FRESH_FOR: Duration = Duration::from_secs(30);

    #[must_use]
    pub fn new(client: Client, table: String, clock: Arc<dyn Clock>) -> Self {
        let items = VersionedItems::new(client, table);
        Self { items, clock, cached: Cached::new(Self::FRESH_FOR, Stale::Serve) }
    }

    /// # Errors
    /// [`TableError`]
    pub async fn load(&self) -> Result<WebhookRegistry, TableError> {
        Ok(self.items.load(ID).await?.unwrap_or_else(WebhookRegistry::empty))
    }

    /// The registry as it was half a minute ago at most.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn recent(&self) -> Result<Arc<WebhookRegistry>, TableError> {
        self.cached.get(self.clock.now(), self.load()).await
    }

    /// Applies `change` to the registry until its result is saved.
    ///
    /// # Errors
    /// Those of `change`, or [`TableError`].
    pub async fn change<T, E: From<TableError>>(
        &self,
        change: impl Fn(&mut WebhookRegistry) -> Result<T, E>,
    ) -> Result<T, E> {
        self.items.change(ID, WebhookRegistry::empty, change).await
    }
}
