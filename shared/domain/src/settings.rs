//! What the admin sets.

use serde::{Deserialize, Serialize};

use crate::{
    country::AllowedCountries,
    message_texts::{InvalidSite, Site},
    phone::PhoneNumber,
    sender::SenderKind,
    spending::{BreakerPolicy, Budgets, Limits, Prices},
    target::TargetUrl,
    test_number::TestNumber,
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
    pub sender: SenderSettings,
    #[serde(default)]
    pub test_numbers: Vec<TestNumber>,
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

/// Who sends, and in which order they are tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderSettings {
    pub order: Vec<SenderKind>,
    #[serde(default)]
    pub webhook: Option<WebhookSender>,
}

/// A hook that sends messages. What we share with it follows from `id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookSender {
    pub url: TargetUrl,
    /// Random. A new one makes a new secret and a new token for reports.
    pub id: String,
    /// The hash of the token that its delivery reports come with.
    pub report_token_hash: String,
}

impl Default for SenderSettings {
    fn default() -> Self {
        Self { order: vec![SenderKind::Clickatell], webhook: None }
    }
}

impl SenderSettings {
    /// Whether each sender comes once, one at least, and a hook only if there is one.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let mut sorted = self.order.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let has_hook = self.webhook.is_some() || !self.order.contains(&SenderKind::Webhook);
        !sorted.is_empty() && sorted.len() == self.order.len() && has_hook
    }
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
            sender: SenderSettings::default(),
            test_numbers: Vec::new(),
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

    /// The test number that `phone` is, if it is one.
    #[must_use]
    pub fn test_number(&self, phone: &PhoneNumber) -> Option<&TestNumber> {
        self.test_numbers.iter().find(|number| number.phone == *phone)
    }

    /// Whether there is something to send with: a key, or a hook.
    #[must_use]
    pub fn has_sender(&self) -> bool {
        self.sender.order.iter().any(|kind| match kind {
            SenderKind::Clickatell => self.clickatell.key_hint.is_some(),
            SenderKind::Webhook => self.sender.webhook.is_some(),
        })
    }

    /// Whether codes can be sent: two-step is on and there is something to send with.
    #[must_use]
    pub fn can_send_codes(&self) -> bool {
        self.two_step_enabled && self.has_sender()
    }
}
