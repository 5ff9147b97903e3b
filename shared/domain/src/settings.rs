//! What the admin sets.

use serde::{Deserialize, Serialize};

use crate::{
    country::AllowedCountries,
    message_texts::{InvalidSite, Site},
    spending::{BreakerPolicy, Budgets, Limits, Prices},
    theme::{Links, Theme},
    time::{DAY, Timestamp},
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
    /// The budget of emails in an hour.
    #[serde(default = "Settings::default_email_per_hour")]
    pub email_per_hour: u64,
    /// After how many days without use a number no longer signs in by itself, because it may have a new owner; 0 means
    /// never.
    #[serde(default = "Settings::default_phone_idle_days")]
    pub phone_idle_days: u32,
    #[serde(default)]
    pub theme: Theme,
    #[serde(default)]
    pub links: Links,
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
    /// A two-way number, which the USA requires, or a name. See [`crate::sender_id::SenderId`].
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
            email_per_hour: Self::default_email_per_hour(),
            phone_idle_days: Self::default_phone_idle_days(),
            theme: Theme::default(),
            links: Links::default(),
        }
    }

    fn default_email_per_hour() -> u64 {
        500
    }

    fn default_phone_idle_days() -> u32 {
        180
    }

    #[must_use]
    pub fn is_email_budget(most: u64) -> bool {
        (1..=1_000_000).contains(&most)
    }

    #[must_use]
    pub fn is_idle_time(days: u32) -> bool {
        days <= 3_650
    }

    /// An account that was last used before this moment is idle, and its number no longer signs in by itself; `None` if
    /// idle time does not matter.
    #[must_use]
    pub fn used_since(&self, now: Timestamp) -> Option<Timestamp> {
        (self.phone_idle_days > 0).then(|| now.minus(DAY * self.phone_idle_days))
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
