//! What the admin sets: one item, read through a cache of 30 seconds.

use std::sync::Arc;

use aws_sdk_dynamodb::{Client, operation::put_item::PutItemError};
use serde::{Deserialize, Serialize};

use crate::{
    cache::Cached,
    clickatell::Api,
    clock::{Clock, Timestamp},
    entropy,
    phone::AllowedCountries,
    sms::{InvalidSite, Site},
    spending::policy::{BreakerPolicy, Budgets, Limits, Prices},
    table::{self, TableError, text},
};

const TABLE: &str = "settings";
const ID: &str = "settings";

/// The item. Secrets are not in it: of the Clickatell key only a hint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    id: String,
    version: u64,
    /// A mark of the write, by which a repeated one recognises itself.
    #[serde(default)]
    writer: String,
    pub two_step_enabled: bool,
    pub site_name: String,
    pub site_host: String,
    /// Whether an account that has a password may be entered with its phone alone.
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

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClickatellSettings {
    pub api: Api,
    pub from: Option<String>,
    /// The key's last characters; none before one was pasted.
    pub key_hint: Option<String>,
    pub updated_at: Option<Timestamp>,
}

impl Settings {
    /// Before anybody set anything: two-step is off.
    #[must_use]
    pub fn initial(site: &Site, allowed_countries: AllowedCountries, budgets: Budgets) -> Self {
        Self {
            id: ID.to_owned(),
            version: 0,
            writer: String::new(),
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
    /// [`InvalidSite`] when it cannot be part of a message.
    pub fn site(&self) -> Result<Site, InvalidSite> {
        Site::new(&self.site_name, &self.site_host)
    }
}

#[derive(Debug)]
pub enum SaveError {
    /// Somebody else saved in between.
    Outdated,
    Table(TableError),
}

#[derive(Clone)]
pub struct SettingsStore {
    client: Client,
    table: String,
    initial: Settings,
}

impl SettingsStore {
    #[must_use]
    pub fn new(client: Client, table: String, initial: Settings) -> Self {
        Self { client, table, initial }
    }

    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn load(&self) -> Result<Settings, TableError> {
        let request = self.client.get_item().table_name(&self.table).key("id", text(ID)).consistent_read(true);
        let item = request.send().await?.item;
        item.map_or_else(|| Ok(self.initial.clone()), |item| table::read(TABLE, item))
    }

    /// Saves if nobody has saved since `settings` were loaded.
    ///
    /// # Errors
    /// [`SaveError::Outdated`].
    pub async fn save(&self, settings: &Settings) -> Result<(), SaveError> {
        let writer = entropy::identifier(&mut entropy::system());
        let item = Settings { version: settings.version + 1, writer: writer.clone(), ..settings.clone() };
        let item = table::write(&item);
        let (condition, values) = table::unchanged_since(settings.version);
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_values(values);
        let Err(error) = put.send().await else { return Ok(()) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(_)) => {
                // Ours, if the answer to it was lost and the SDK sent it again.
                let present = self.load().await.map_err(SaveError::Table)?;
                if present.writer == writer { Ok(()) } else { Err(SaveError::Outdated) }
            }
            _ => Err(SaveError::Table(error.into())),
        }
    }
}

/// The settings as every function but `settings` itself reads them.
pub struct CachedSettings {
    store: SettingsStore,
    clock: Arc<dyn Clock>,
    cached: Cached<Settings>,
}

impl CachedSettings {
    #[must_use]
    pub fn new(store: SettingsStore, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, cached: Cached::default() }
    }

    #[must_use]
    pub fn store(&self) -> &SettingsStore {
        &self.store
    }

    /// The settings, at most 30 seconds old. Older ones are not used, whatever happens: the admin may have turned
    /// two-step on since.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn get(&self) -> Result<Arc<Settings>, TableError> {
        self.cached.get(self.clock.now(), self.store.load()).await
    }
}
