//! What the admin does: turning two-step on, pasting the Clickatell key, sending a test.

use lambda_http::Request;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::Service;
use crate::{
    challenge::Purpose,
    clickatell::{Account, Api, CachedAccount, Client, FailureCode, KeyCheck, Message, Outcome},
    clock::Timestamp,
    config, entropy,
    http::{self, Problem},
    json::{self, Unambiguous},
    phone::{AllowedCountries, PhoneNumber},
    secrets::{CachedSecret, SecretError},
    settings::{ClickatellSettings, SaveError, Settings},
    sms,
    spending::{
        Failure, Intent, Reservation, ReserveError,
        breaker::Recipient,
        policy::{BreakerPolicy, Budgets, Impossible, Limits, Part, Prices},
        tally::Period,
        usage::Usage,
    },
    table::TableError,
};

/// What only the `settings` function has: the admin's key, and write access to Clickatell's.
pub struct Admin {
    service: &'static Service,
    key: CachedSecret<SecretString>,
    account: CachedAccount,
    clickatell: Client,
}

/// Whoever holds the admin key, by the end of it: that is what the audit log says.
pub struct Authorised {
    hint: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsChange {
    two_step_enabled: Option<bool>,
    site_name: Option<String>,
    site_host: Option<String>,
    phone_login_for_password_accounts: Option<bool>,
    allowed_countries: Option<Vec<String>>,
    #[serde(default, deserialize_with = "json::object")]
    clickatell: Option<ClickatellChange>,
    budgets: Option<Unambiguous>,
    prices: Option<Unambiguous>,
    limits: Option<Unambiguous>,
    breaker: Option<Unambiguous>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClickatellChange {
    api_key: Option<SecretString>,
    api: Option<String>,
    /// An empty text takes the sender away.
    from: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestBody {
    phone: String,
}

#[derive(Serialize)]
pub struct TestedBody {
    delivery: &'static str,
    message_id: String,
}

/// The contract's Settings.
#[derive(Serialize)]
pub struct SettingsBody {
    two_step_enabled: bool,
    site_name: String,
    site_host: String,
    phone_login_for_password_accounts: bool,
    allowed_countries: AllowedCountries,
    clickatell: ClickatellBody,
    budgets: Budgets,
    prices: Prices,
    limits: Limits,
    breaker: BreakerPolicy,
}

#[derive(Serialize)]
struct ClickatellBody {
    configured: bool,
    api: Api,
    from: Option<String>,
    key_hint: Option<String>,
    updated_at: Option<String>,
}

impl From<Settings> for SettingsBody {
    fn from(settings: Settings) -> Self {
        Self {
            two_step_enabled: settings.two_step_enabled,
            site_name: settings.site_name,
            site_host: settings.site_host,
            phone_login_for_password_accounts: settings.phone_login_for_password_accounts,
            allowed_countries: settings.allowed_countries,
            clickatell: ClickatellBody {
                configured: settings.clickatell.key_hint.is_some(),
                api: settings.clickatell.api,
                from: settings.clickatell.from,
                key_hint: settings.clickatell.key_hint,
                updated_at: settings.clickatell.updated_at.map(Timestamp::rfc3339),
            },
            budgets: settings.budgets,
            prices: settings.prices,
            limits: settings.limits,
            breaker: settings.breaker,
        }
    }
}

impl Admin {
    /// # Errors
    /// When the environment is incomplete; the error names the variable.
    pub async fn init() -> Result<&'static Self, http::Error> {
        let (key, account) = (config::required("ADMIN_SECRET")?, config::required("CLICKATELL_SECRET")?);
        let service = Service::init().await?;
        let admin = Self {
            service,
            key: service.keys.beside(key, |key| Ok(key.clone())),
            account: service.keys.beside(account, Account::parse),
            clickatell: Client::new(config::clickatell_url()?)?,
        };
        Ok(Box::leak(Box::new(admin)))
    }

    /// Checks the admin key in constant time; wrong ones are counted by address.
    ///
    /// # Errors
    /// [`Problem::InvalidAdminKey`], [`Problem::TooManyRequests`].
    pub async fn authorise(&self, request: &Request) -> Result<Authorised, Problem> {
        let ring = self.service.keys.get().await?;
        let address = self.service.address(&ring, request, "admin");
        if let Some(address) = &address {
            self.service.count(address).await?;
        }
        let key = self.key.get().await?;
        let given = http::bearer(request).unwrap_or_default();
        if !bool::from(given.as_bytes().ct_eq(key.expose_secret().as_bytes())) {
            return Err(Problem::InvalidAdminKey);
        }
        if let Some(address) = &address {
            self.service.throttle.give_back(address).await?;
        }
        Ok(Authorised { hint: hint(given) })
    }

    /// # Errors
    /// [`Problem::Unavailable`].
    pub async fn settings(&self) -> Result<SettingsBody, Problem> {
        Ok(self.service.settings.store().load().await?.into())
    }

    /// Changes what `change` names, all or nothing. A Clickatell key is tried first; one that is refused changes nothing.
    ///
    /// # Errors
    /// [`Problem`] as the contract says for `PUT /settings`.
    pub async fn change(&self, who: &Authorised, change: &SettingsChange) -> Result<SettingsBody, Problem> {
        const TRIES: usize = 3;
        let store = self.service.settings.store();
        let mut stored: Option<ClickatellSettings> = None;
        for _ in 0..TRIES {
            let before = store.load().await?;
            let (mut after, key) = apply(change, before.clone())?;
            let account = |settings: &Settings| (settings.clickatell.api, settings.clickatell.from.clone());
            match &stored {
                Some(stored) => after.clickatell = stored.clone(),
                None if key.is_some() || account(&after) != account(&before) => {
                    self.store_account(&mut after, key).await?;
                    stored = Some(after.clickatell.clone());
                }
                None => {}
            }
            match store.save(&after).await {
                Ok(()) => {
                    // By name and not by difference: if this fails, the same change can be sent again.
                    if change.budgets.is_some() || change.prices.is_some() || change.breaker.is_some() {
                        self.service.spending.breaker.reset().await?;
                    }
                    let fields = changed_fields(&before, &after).join(",");
                    tracing::info!(who = who.hint, fields, "settings changed");
                    return Ok(after.into());
                }
                // Another admin was faster: the change is applied to what they left.
                Err(SaveError::Outdated) => {}
                Err(SaveError::Table(error)) => return Err(error.into()),
            }
        }
        Err(TableError::Contended { table: "settings" }.into())
    }

    /// # Errors
    /// [`Problem::Unavailable`].
    pub async fn usage(&self) -> Result<Usage, Problem> {
        let (now, spending) = (self.service.now(), &self.service.spending);
        let (days, breaker) = tokio::try_join!(spending.tallies.by_day_and_country(now), spending.breaker.fresh())?;
        let settings = self.service.settings.store().load().await?;
        Ok(Usage::new(&settings, &days, &breaker, now))
    }

    /// Sends a real message and says what Clickatell said. It costs what every message costs, and counts like one.
    ///
    /// # Errors
    /// [`Problem::SmsFailed`] with the provider's code; [`Problem::SmsDisabled`] before a key was pasted;
    /// [`Problem::SmsBudgetSpent`].
    pub async fn send_test(&self, request: &Request, who: &Authorised, body: &TestBody) -> Result<TestedBody, Problem> {
        let phone = PhoneNumber::parse(&body.phone)?;
        let settings = self.service.settings.store().load().await?;
        settings.allowed_countries.check(&phone)?;
        if settings.clickatell.key_hint.is_none() {
            return Err(Problem::SmsDisabled);
        }
        let account = self.account.refetch().await?;
        let site = settings.site().map_err(|_| TableError::Malformed { table: "settings" })?;
        let content = sms::test_message(&site, http::language(request));
        let reference = entropy::identifier(&mut entropy::system());
        let message = Message { to: &phone, content: &content, client_message_id: &reference };
        let reservation = self.reserve(&settings, &phone).await?;
        let outcome = self.clickatell.send(&account, &message).await;
        if matches!(outcome, Outcome::Refused { .. } | Outcome::Later { .. }) {
            self.service.spending.give_back(reservation).await;
        }
        tracing::info!(who = who.hint, sent = outcome.failure().is_none(), "test message");
        match (outcome.failure(), outcome) {
            (None, Outcome::Accepted { message_id }) => Ok(TestedBody { delivery: "sent", message_id }),
            (Some(code), _) => Err(Problem::SmsFailed(code)),
            (None, _) => Err(Problem::Unavailable),
        }
    }

    async fn reserve(&self, settings: &Settings, phone: &PhoneNumber) -> Result<Reservation, Problem> {
        let ring = self.service.keys.get().await?;
        let (purpose, recipient) = (Purpose::Notice, Recipient::Established);
        let intent = Intent { phone, purpose, recipient, settings, pepper: &ring.pepper };
        self.service.spending.reserve(&intent).await.map_err(|error| match error {
            ReserveError::Table(error) => error.into(),
            ReserveError::Refused(Failure::BudgetSpent) => {
                let (now, period) = (self.service.now(), Period::Hour);
                Problem::SmsBudgetSpent { retry_after: now.until(period.ends(now)).as_secs().max(1) }
            }
            ReserveError::Refused(failure) => Problem::SmsFailed(FailureCode::Ours(failure)),
        })
    }

    async fn present_key(&self) -> Result<Option<SecretString>, Problem> {
        match self.account.refetch().await {
            Ok(account) => Ok(Some(account.api_key.clone())),
            Err(SecretError::Missing) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Tries the account that `settings` describe, with `key` or the present one, and stores it.
    async fn store_account(&self, settings: &mut Settings, key: Option<SecretString>) -> Result<(), Problem> {
        let Some(api_key) = (match key {
            Some(key) => Some(key),
            None => self.present_key().await?,
        }) else {
            return Ok(());
        };
        let account = Account { api_key, api: settings.clickatell.api, from: settings.clickatell.from.clone() };
        match self.clickatell.check_key(&account).await {
            KeyCheck::Accepted => {}
            KeyCheck::Rejected => return Err(Problem::ClickatellKeyRejected),
            KeyCheck::Unavailable => return Err(Problem::Unavailable),
        }
        self.account.put(&account.write()).await?;
        settings.clickatell.key_hint = Some(hint(account.api_key.expose_secret().trim()));
        settings.clickatell.updated_at = Some(self.service.now());
        Ok(())
    }
}

/// The end of a key, which tells keys apart and gives none away.
fn hint(key: &str) -> String {
    let shown = key.trim_end_matches('=');
    let end: String = shown.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
    format!("…{end}")
}

fn apply(change: &SettingsChange, before: Settings) -> Result<(Settings, Option<SecretString>), Problem> {
    let mut after = before;
    if let Some(enabled) = change.two_step_enabled {
        after.two_step_enabled = enabled;
    }
    if let Some(allowed) = change.phone_login_for_password_accounts {
        after.phone_login_for_password_accounts = allowed;
    }
    if let Some(countries) = change.allowed_countries.clone() {
        after.allowed_countries =
            AllowedCountries::try_from(countries).map_err(|_| Problem::InvalidSetting("allowed_countries"))?;
    }
    if let Some(name) = &change.site_name {
        after.site_name.clone_from(name);
    }
    if let Some(host) = &change.site_host {
        after.site_host.clone_from(host);
    }
    after.site().map_err(|error| match error {
        sms::InvalidSite::Name => Problem::InvalidSetting("site_name"),
        sms::InvalidSite::Host => Problem::InvalidSetting("site_host"),
    })?;
    change_part(&mut after.budgets, change.budgets.as_ref(), "budgets")?;
    change_part(&mut after.prices, change.prices.as_ref(), "prices")?;
    change_part(&mut after.limits, change.limits.as_ref(), "limits")?;
    change_part(&mut after.breaker, change.breaker.as_ref(), "breaker")?;
    let Some(clickatell) = &change.clickatell else { return Ok((after, None)) };
    if let Some(api) = &clickatell.api {
        after.clickatell.api = match api.as_str() {
            "rest" => Api::Rest,
            "one" => Api::One,
            _ => return Err(Problem::InvalidSetting("clickatell.api")),
        };
    }
    if let Some(from) = clickatell.from.clone() {
        let from = Some(from).filter(|from| !from.is_empty());
        let is_number =
            |from: &String| (3..=15).contains(&from.len()) && from.bytes().all(|byte| byte.is_ascii_digit());
        if !from.as_ref().is_none_or(is_number) {
            return Err(Problem::InvalidSetting("clickatell.from"));
        }
        after.clickatell.from = from;
    }
    let is_key = |key: &SecretString| {
        let key = key.expose_secret().trim();
        (1..=200).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !clickatell.api_key.as_ref().is_none_or(is_key) {
        return Err(Problem::InvalidSetting("clickatell.api_key"));
    }
    Ok((after, clickatell.api_key.clone()))
}

fn change_part<T: Part>(part: &mut T, change: Option<&Unambiguous>, field: &'static str) -> Result<(), Problem> {
    if let Some(change) = change {
        *part = part.changed(change).map_err(|Impossible| Problem::InvalidSetting(field))?;
    }
    Ok(())
}

fn changed_fields(before: &Settings, after: &Settings) -> Vec<&'static str> {
    let fields = [
        ("two_step_enabled", before.two_step_enabled != after.two_step_enabled),
        ("site_name", before.site_name != after.site_name),
        ("site_host", before.site_host != after.site_host),
        (
            "phone_login_for_password_accounts",
            before.phone_login_for_password_accounts != after.phone_login_for_password_accounts,
        ),
        ("allowed_countries", before.allowed_countries != after.allowed_countries),
        ("clickatell.api", before.clickatell.api != after.clickatell.api),
        ("clickatell.from", before.clickatell.from != after.clickatell.from),
        ("clickatell.api_key", before.clickatell.updated_at != after.clickatell.updated_at),
        ("budgets", before.budgets != after.budgets),
        ("prices", before.prices != after.prices),
        ("limits", before.limits != after.limits),
        ("breaker", before.breaker != after.breaker),
    ];
    fields.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
}
