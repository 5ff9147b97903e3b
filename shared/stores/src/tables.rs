//! Opens stores by the environment variables that name their tables, so that a function reads only what it needs.

use std::sync::{Arc, OnceLock};

use aws_sdk_dynamodb::Client;
use twostep_domain::time::Clock;
use twostep_runtime::{
    Startup,
    config::{self, ConfigError, Environment},
};

use crate::{
    audit::AuditStore,
    challenges::ChallengeStore,
    client_grants::ClientGrantStore,
    clients::{CachedClients, ClientStore},
    email_budget::EmailBudgetStore,
    event_deliveries::EventDeliveryStore,
    failed_attempts::FailedAttemptStore,
    outcomes::OutcomeStore,
    registration_tokens::RegistrationTokenStore,
    sent_messages::SentMessageStore,
    sessions::SessionStore,
    settings::{CachedSettings, SettingsStore},
    sliding_window::SlidingWindowStore,
    spending::{AnswerStore, BreakerStore, CounterStore, LedgerStore, PeopleStore},
    users::UserStore,
    webhooks::WebhookStore,
};

pub struct Tables {
    client: Client,
    env: Environment,
    clock: Arc<dyn Clock>,
    settings: OnceLock<Arc<CachedSettings>>,
    breaker: OnceLock<Arc<BreakerStore>>,
}

impl Tables {
    #[must_use]
    pub fn new(startup: &Startup) -> Self {
        Self::with_client(Client::new(&startup.aws), startup.env.clone(), Arc::clone(&startup.clock))
    }

    #[must_use]
    pub fn with_client(client: Client, env: Environment, clock: Arc<dyn Clock>) -> Self {
        Self { client, env, clock, settings: OnceLock::new(), breaker: OnceLock::new() }
    }

    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    #[must_use]
    pub fn env(&self) -> &Environment {
        &self.env
    }

    /// # Errors
    /// [`ConfigError`] if `CODES_TABLE` is not set.
    pub fn challenges(&self) -> Result<ChallengeStore, ConfigError> {
        Ok(ChallengeStore::new(self.client.clone(), self.env.required("CODES_TABLE")?))
    }

    /// # Errors
    /// [`ConfigError`] if `CODES_TABLE` is not set.
    pub fn sent_messages(&self) -> Result<SentMessageStore, ConfigError> {
        Ok(SentMessageStore::new(self.client.clone(), self.env.required("CODES_TABLE")?))
    }

    /// # Errors
    /// [`ConfigError`] if `USERS_TABLE` is not set.
    pub fn users(&self) -> Result<UserStore, ConfigError> {
        Ok(UserStore::new(self.client.clone(), self.env.required("USERS_TABLE")?))
    }

    /// # Errors
    /// [`ConfigError`] if `SESSIONS_TABLE` is not set.
    pub fn sessions(&self) -> Result<SessionStore, ConfigError> {
        Ok(SessionStore::new(self.client.clone(), self.env.required("SESSIONS_TABLE")?))
    }

    /// # Errors
    /// [`ConfigError`] if `SESSIONS_TABLE` is not set.
    pub fn outcomes(&self) -> Result<OutcomeStore, ConfigError> {
        Ok(OutcomeStore::new(self.client.clone(), self.env.required("SESSIONS_TABLE")?))
    }

    /// # Errors
    /// [`ConfigError`] if `AUDIT_TABLE` is not set.
    pub fn audit(&self) -> Result<AuditStore, ConfigError> {
        Ok(AuditStore::new(self.client.clone(), self.env.required("AUDIT_TABLE")?))
    }

    /// # Errors
    /// [`ConfigError`] if `SESSIONS_TABLE` is not set.
    pub fn client_grants(&self) -> Result<ClientGrantStore, ConfigError> {
        Ok(ClientGrantStore::new(self.client.clone(), self.env.required("SESSIONS_TABLE")?))
    }

    /// # Errors
    /// [`ConfigError`] if `SETTINGS_TABLE` is not set.
    pub fn clients(&self) -> Result<ClientStore, ConfigError> {
        Ok(ClientStore::new(self.client.clone(), self.env.required("SETTINGS_TABLE")?))
    }

    /// # Errors
    /// [`ConfigError`] if `SETTINGS_TABLE` is not set.
    pub fn cached_clients(&self) -> Result<CachedClients, ConfigError> {
        Ok(CachedClients::new(self.clients()?, Arc::clone(&self.clock)))
    }

    /// # Errors
    /// [`ConfigError`] if `SETTINGS_TABLE` is not set.
    pub fn webhooks(&self) -> Result<WebhookStore, ConfigError> {
        Ok(WebhookStore::new(self.client.clone(), self.env.required("SETTINGS_TABLE")?, Arc::clone(&self.clock)))
    }

    /// # Errors
    /// [`ConfigError`] if `DELIVERIES_TABLE` is not set.
    pub fn event_deliveries(&self) -> Result<EventDeliveryStore, ConfigError> {
        Ok(EventDeliveryStore::new(self.client.clone(), self.env.required("DELIVERIES_TABLE")?))
    }

    /// The settings. All who ask share one cache.
    ///
    /// # Errors
    /// [`ConfigError`] if `SETTINGS_TABLE` is not set or an initial setting is missing or malformed.
    pub fn settings(&self) -> Result<Arc<CachedSettings>, ConfigError> {
        if let Some(settings) = self.settings.get() {
            return Ok(Arc::clone(settings));
        }
        let (table, initial) = (self.env.required("SETTINGS_TABLE")?, config::initial_settings(&self.env)?);
        let store = SettingsStore::new(self.client.clone(), table, initial);
        let settings = Arc::new(CachedSettings::new(store, Arc::clone(&self.clock)));
        Ok(Arc::clone(self.settings.get_or_init(|| settings)))
    }

    /// # Errors
    /// [`ConfigError`] if `COUNTERS_TABLE` is not set.
    pub fn failed_attempts(&self) -> Result<FailedAttemptStore, ConfigError> {
        Ok(FailedAttemptStore::new(self.client.clone(), self.env.required("COUNTERS_TABLE")?))
    }

    /// # Errors
    /// [`ConfigError`] if `COUNTERS_TABLE` is not set.
    pub fn registration_tokens(&self) -> Result<RegistrationTokenStore, ConfigError> {
        Ok(RegistrationTokenStore::new(self.client.clone(), self.env.required("COUNTERS_TABLE")?))
    }

    /// # Errors
    /// [`ConfigError`] if `COUNTERS_TABLE` is not set.
    pub fn email_budget(&self) -> Result<EmailBudgetStore, ConfigError> {
        Ok(EmailBudgetStore::new(self.client.clone(), self.env.required("COUNTERS_TABLE")?))
    }

    /// # Errors
    /// [`ConfigError`] if `COUNTERS_TABLE` is not set.
    pub fn sliding_windows(&self) -> Result<SlidingWindowStore, ConfigError> {
        Ok(SlidingWindowStore::new(self.client.clone(), self.env.required("COUNTERS_TABLE")?))
    }

    /// # Errors
    /// [`ConfigError`] if `COUNTERS_TABLE` is not set.
    pub fn counters(&self) -> Result<CounterStore, ConfigError> {
        Ok(CounterStore::new(self.client.clone(), self.env.required("COUNTERS_TABLE")?))
    }

    /// # Errors
    /// [`ConfigError`] if `COUNTERS_TABLE` is not set.
    pub fn ledger(&self) -> Result<LedgerStore, ConfigError> {
        Ok(LedgerStore::new(self.client.clone(), self.env.required("COUNTERS_TABLE")?))
    }

    /// # Errors
    /// [`ConfigError`] if `COUNTERS_TABLE` is not set.
    pub fn people(&self) -> Result<PeopleStore, ConfigError> {
        Ok(PeopleStore::new(self.client.clone(), self.env.required("COUNTERS_TABLE")?))
    }

    /// # Errors
    /// [`ConfigError`] if `COUNTERS_TABLE` is not set.
    pub fn answers(&self) -> Result<AnswerStore, ConfigError> {
        Ok(AnswerStore::new(self.client.clone(), self.env.required("COUNTERS_TABLE")?))
    }

    /// The breaker. All who ask share one cache.
    ///
    /// # Errors
    /// [`ConfigError`] if `COUNTERS_TABLE` is not set.
    pub fn breaker(&self) -> Result<Arc<BreakerStore>, ConfigError> {
        let (table, clock) = (self.env.required("COUNTERS_TABLE")?, Arc::clone(&self.clock));
        let breaker = self.breaker.get_or_init(|| Arc::new(BreakerStore::new(self.client.clone(), table, clock)));
        Ok(Arc::clone(breaker))
    }
}
