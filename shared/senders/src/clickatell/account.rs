//! The Clickatell secret.

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use twostep_domain::settings::ClickatellApi;
use twostep_runtime::secrets::{CachedSecret, SecretError};

/// The key that the admin pasted, and how it is used.
#[derive(Clone, Deserialize)]
pub struct Account {
    pub api_key: SecretString,
    #[serde(default)]
    pub api: ClickatellApi,
    /// A two-way number; the USA requires one.
    #[serde(default)]
    pub from: Option<String>,
}

/// The Clickatell secret, read through the cache of secrets.
pub type CachedAccount = CachedSecret<Account>;

impl Account {
    /// # Errors
    /// [`SecretError::Malformed`] unless it is JSON with at least an `api_key`.
    pub fn parse(secret: &SecretString) -> Result<Self, SecretError> {
        serde_json::from_str(secret.expose_secret()).map_err(|_| SecretError::Malformed("not a Clickatell account"))
    }

    /// The raw key, as Clickatell expects it. Keys are often pasted with spaces around them. `None` if it cannot be a
    /// header.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let mut key = HeaderValue::from_str(self.api_key.expose_secret().trim()).ok()?;
        key.set_sensitive(true);
        Some(key)
    }

    #[must_use]
    pub fn same_key(&self, other: &Self) -> bool {
        self.api_key.expose_secret() == other.api_key.expose_secret() && self.api == other.api
    }

    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.same_key(other) && self.from == other.from
    }

    /// The text that [`Account::parse`] reads.
    #[must_use]
    pub fn write(&self) -> SecretString {
        let account =
            serde_json::json!({ "api_key": self.api_key.expose_secret().trim(), "api": self.api, "from": self.from });
        account.to_string().into()
    }
}
