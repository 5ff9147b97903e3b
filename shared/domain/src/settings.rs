//! What the admin sets.

use serde::{Deserialize, Serialize};

use crate::{
    country::AllowedCountries,
    message_texts::{InvalidSite, Site},
    spending::{BreakerPolicy, Budgets, Limits, Prices},
    time::Timestamp,
};

/// Secrets are not in it: of the Clickatell key only a hint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub two_step_enabled: bool,
    pub site_name: String,
    pub site_host: String,
    /// Whether an account that has a password may be signed in to with its phone alone.
    pub phone_login_for_password_accounts: bool,
    pub allowed_countries: AllowedCountries,
    pub clickatell: ClickatellSettings,
    #[serde(default)]
    pub budgets: Budgets,
    #[serde(default)]
    pub prices: Prices,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub breaker: BreakerPolicy,
}

/// Which of Clickatell's APIs the key is for; a key works only with the API that its integration was made for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr, strum::EnumString,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum ClickatellApi {
    #[default]
    Rest,
    One,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClickatellSettings {
    pub api: ClickatellApi,
    /// A two-way number; the USA requires one.
    pub from: Option<String>,
    /// The key's last characters; `None` before a key was pasted.
    pub key_hint: Option<String>,
    pub updated_at: Option<Timestamp>,
}

impl Settings {
    /// Before an admin has set anything: two-step is off.
    #[must_use]
    pub fn initial(site: &Site, allowed_countries: AllowedCountries, budgets: Budgets) -> Self {
        Self {
            two_step_enabled: false,
            site_name: site.name.clone(),
            site_host: site.host.clone(),
            phone_login_for_password_accounts: true,
            allowed_countries,
            clickatell: ClickatellSettings::default(),
            budgets,
            prices: Prices::default(),
            limits: Limits::default(),
            breaker: BreakerPolicy::default(),
        }
    }

    /// # Errors
    /// [`InvalidSite`] if it cannot be part of a message.
    pub fn site(&self) -> Result<Site, InvalidSite> {
        Site::new(&self.site_name, &self.site_host)
    }

    /// Whether codes can be sent: two-step is on and there is a key to send with.
    #[must_use]
    pub fn can_send_codes(&self) -> bool {
        self.two_step_enabled && self.clickatell.key_hint.is_some()
    }
}
