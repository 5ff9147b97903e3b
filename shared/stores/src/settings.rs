//! The settings: one item, read through a cache of 30 seconds.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::Client;
use serde::{Deserialize, Serialize};
use twostep_domain::{
    settings::Settings,
    time::{Clock, MINUTE},
};
use twostep_runtime::cache::{Cached, Stale};

use crate::{
    compare_and_swap::{Swap, Versioned, VersionedItems},
    table::TableError,
};

const ID: &str = "settings";

/// The settings with the version that was read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredSettings {
    id: String,
    version: u64,
    #[serde(flatten)]
    pub settings: Settings,
}

impl StoredSettings {
    /// The same item with other settings.
    #[must_use]
    pub fn with(&self, settings: Settings) -> Self {
        Self { settings, ..self.clone() }
    }
}

impl Versioned for StoredSettings {
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
pub struct SettingsStore {
    items: VersionedItems<StoredSettings>,
    /// What holds until an admin has saved settings.
    initial: Settings,
}

impl SettingsStore {
    #[must_use]
    pub fn new(client: Client, table: String, initial: Settings) -> Self {
        Self { items: VersionedItems::new(client, table), initial }
    }

    /// # Errors
    /// [`TableError`]
    pub async fn load(&self) -> Result<StoredSettings, TableError> {
        Ok(self.or_initial(self.items.load(ID).await?))
    }

    /// Saves if no other admin has saved since `next` was loaded.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn save(&self, next: &StoredSettings) -> Result<Swap<StoredSettings>, TableError> {
        self.items.save(next).await
    }

    /// What was found, or the initial settings.
    #[must_use]
    pub fn or_initial(&self, found: Option<StoredSettings>) -> StoredSettings {
        found.unwrap_or_else(|| StoredSettings { id: ID.to_owned(), version: 0, settings: self.initial.clone() })
    }
}

/// The settings as every function but `settings` itself reads them.
pub struct CachedSettings {
    store: SettingsStore,
    clock: Arc<dyn Clock>,
    cached: Cached<Settings>,
}

impl CachedSettings {
    const FRESH_FOR: Duration = Duration::from_secs(30);

    #[must_use]
    pub fn new(store: SettingsStore, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, cached: Cached::new(Self::FRESH_FOR, Stale::Refuse) }
    }

    #[must_use]
    pub fn store(&self) -> &SettingsStore {
        &self.store
    }

    /// The settings, at most 30 seconds old. Older ones are never used: an admin may have turned two-step on since.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn get(&self) -> Result<Arc<Settings>, TableError> {
        self.cached.get(self.clock.now(), self.read()).await
    }

    /// The settings for a message that was asked for under them already: while they cannot be read, they are used until
    /// they are five minutes old, the lifetime of a code.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn get_recent(&self) -> Result<Arc<Settings>, TableError> {
        self.cached.get_with(Stale::ServeFor(5 * MINUTE), self.clock.now(), self.read()).await
    }

    async fn read(&self) -> Result<Settings, TableError> {
        Ok(self.store.load().await?.settings)
    }
}
