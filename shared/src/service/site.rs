//! What anyone may know of the site: its pages need it before anybody has signed in.

use std::sync::Arc;

use serde::Serialize;

use crate::{
    aws,
    clock::{Clock, SystemClock},
    config::{self, ConfigError},
    http::Problem,
    language::Language,
    phone::AllowedCountries,
    settings::{CachedSettings, Settings},
    telemetry,
};

/// All that the pages' function can reach: the settings, and nothing else of the service.
pub struct PublicSite {
    settings: CachedSettings,
}

/// The contract's answer to `GET /site`.
#[derive(Serialize)]
pub struct SiteBody {
    name: String,
    host: String,
    two_step_enabled: bool,
    /// Whether a code can be sent: the switch is on and there is a key to send with.
    phone_enabled: bool,
    allowed_countries: AllowedCountries,
    languages: [&'static str; Language::ALL.len()],
}

impl From<&Settings> for SiteBody {
    fn from(settings: &Settings) -> Self {
        Self {
            name: settings.site_name.clone(),
            host: settings.site_host.clone(),
            two_step_enabled: settings.two_step_enabled,
            phone_enabled: settings.two_step_enabled && settings.clickatell.key_hint.is_some(),
            allowed_countries: settings.allowed_countries.clone(),
            languages: Language::ALL.map(Language::tag),
        }
    }
}

impl PublicSite {
    /// Reads the environment, starts logging and makes the client. It lives as long as the process.
    ///
    /// # Errors
    /// [`ConfigError`], naming the variable that is missing or malformed.
    pub async fn init() -> Result<&'static Self, ConfigError> {
        telemetry::init(config::log_level()?);
        let tables = aws_sdk_dynamodb::Client::new(&aws::sdk_config().await);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let site = Self { settings: config::settings(&tables, &clock)? };
        Ok(Box::leak(Box::new(site)))
    }

    /// # Errors
    /// [`Problem::Unavailable`].
    pub async fn body(&self) -> Result<SiteBody, Problem> {
        Ok(SiteBody::from(&*self.settings.get().await?))
    }
}
