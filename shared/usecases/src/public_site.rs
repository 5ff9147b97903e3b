//! What the site's pages need to know before a visitor has signed in. It is public.

use std::sync::Arc;

use twostep_domain::settings::Settings;
use twostep_runtime::config::ConfigError;
use twostep_stores::{CachedSettings, Tables};

use crate::{outage::Outage, warm_up};

pub struct PublicSite {
    settings: Arc<CachedSettings>,
}

impl PublicSite {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self { settings: tables.settings()? })
    }

    pub async fn warm_up(&self) {
        warm_up::settings(&self.settings).await;
    }

    /// # Errors
    /// [`Outage`]
    pub async fn settings(&self) -> Result<Arc<Settings>, Outage> {
        Ok(self.settings.get().await?)
    }
}
