//! What the site's pages need to know before a visitor has signed in. It is public.

use std::sync::Arc;

use twostep_domain::settings::Settings;
use twostep_runtime::config::{self, ConfigError};
use twostep_stores::{CachedSettings, Tables};

use crate::{outage::Outage, warm_up};

pub struct PublicSite {
    settings: Arc<CachedSettings>,
    /// Whether emails are sent.
    pub email_is_on: bool,
}

impl PublicSite {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        let email_is_on = config::email_from(tables.env())?.is_some();
        Ok(Self { settings: tables.settings()?, email_is_on })
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
