//! Read and change the settings.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use twostep_crypto::{
    opaque_token::OpaqueToken,
    standard_webhooks::{Receiver, SigningSecret},
};
use twostep_domain::{
    account::{Action, Operator},
    country::AllowedCountries,
    message_texts::InvalidSite,
    random,
    sender::SenderKind,
    sender_id::SenderId,
    settings::{ClickatellApi, ClickatellSettings, Settings, WebhookSender},
    spending::{BreakerPolicy, Budgets, Limits, Prices},
    target::{InvalidTarget, Reach, TargetUrl},
    test_number::TestNumber,
    theme::{Links, Theme},
    time::Clock,
};
use twostep_runtime::{
    entropy,
    secrets::{Keys, SecretError, Secrets},
};
use twostep_senders::clickatell::{Account, CachedAccount, Client, KeyCheck};
use twostep_stores::{
    CachedSettings, Tables,
    compare_and_swap::{Race, Swap},
    spending::BreakerStore,
};

use super::{key::hint, trail::Trail};
use crate::{
    messages::provider::{OpenError, account, clickatell, reach},
    outage::{Outage, from_outage},
};

pub struct ChangeSettings {
    clock: Arc<dyn Clock>,
    settings: Arc<CachedSettings>,
    breaker: Arc<BreakerStore>,
    account: CachedAccount,
    clickatell: Client,
    keys: Arc<Keys>,
    reach: Reach,
    trail: Trail,
}

/// What a request changes; `None` leaves a setting as it is.
#[derive(Default)]
pub struct SettingsChange {
    pub two_step_enabled: Option<bool>,
    pub site_name: Option<String>,
    pub site_host: Option<String>,
    pub phone_login_for_password_accounts: Option<bool>,
    pub allowed_countries: Option<AllowedCountries>,
    pub clickatell: ClickatellChange,
    pub budgets: Option<Change<Budgets>>,
    pub prices: Option<Change<Prices>>,
    pub limits: Option<Change<Limits>>,
    pub breaker: Option<Change<BreakerPolicy>>,
    pub email_per_hour: Option<u64>,
    pub phone_idle_days: Option<u32>,
    pub sender: SenderChange,
    pub test_numbers: Option<Vec<TestNumber>>,
    pub theme: Option<Change<Theme>>,
    pub links: Option<Change<Links>>,
}

/// A change of one part of the settings, made from what the part is now.
pub type Change<T> = Box<dyn Fn(&T) -> T + Send + Sync>;

#[derive(Default)]
pub struct SenderChange {
    pub order: Option<Vec<SenderKind>>,
    /// The address of the hook, which gets a new secret with it. An empty text removes the hook.
    pub webhook_url: Option<String>,
}

/// The settings after a change.
pub struct Changed {
    pub settings: Settings,
    /// What the hook is set up with. It is shown once.
    pub hook: Option<HookSecrets>,
}

pub struct HookSecrets {
    /// What its requests are signed with.
    pub signing: SigningSecret,
    /// Where its delivery reports come to.
    pub reports: OpaqueToken,
}

#[derive(Default)]
pub struct ClickatellChange {
    pub api_key: Option<SecretString>,
    pub api: Option<ClickatellApi>,
    /// An empty text removes the sender.
    pub from: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The value is not possible for this setting.
    #[error("{0} is not valid")]
    Invalid(&'static str),
    /// Clickatell does not accept this key for this API. Nothing was changed.
    #[error("the Clickatell key was rejected")]
    KeyRejected,
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(SettingsError);

impl ChangeSettings {
    /// # Errors
    /// [`OpenError`]
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, OpenError> {
        Ok(Self {
            clock: tables.clock(),
            settings: tables.settings()?,
            breaker: tables.breaker()?,
            account: account(secrets)?,
            clickatell: clickatell(tables)?,
            keys: secrets.keys()?,
            reach: reach(tables)?,
            trail: Trail::open(tables)?,
        })
    }

    /// # Errors
    /// [`Outage`]
    pub async fn read(&self) -> Result<Settings, Outage> {
        Ok(self.settings.store().load().await?.settings)
    }

    /// Changes what `change` names, all or nothing. A Clickatell key is tried first; one that is rejected changes nothing.
    ///
    /// # Errors
    /// [`SettingsError`]
    pub async fn change(&self, who: &Operator, change: &SettingsChange) -> Result<Changed, SettingsError> {
        let (hook, new_hook) = self.new_hook(change.sender.webhook_url.as_deref()).await?;
        let store = self.settings.store();
        let mut race = Race::on(Some(store.load().await?));
        let mut stored: Option<ClickatellSettings> = None;
        let (before, after) = loop {
            let found = store.or_initial(race.next_round()?);
            let before = found.settings.clone();
            let mut after = change.apply(&before, hook.as_ref())?;
            let sender = |settings: &Settings| (settings.clickatell.api, settings.clickatell.from.clone());
            match &stored {
                Some(stored) => after.clickatell = stored.clone(),
                None if change.clickatell.api_key.is_some() || sender(&after) != sender(&before) => {
                    self.store_account(&mut after, change.clickatell.api_key.as_ref()).await?;
                    stored = Some(after.clickatell.clone());
                }
                None => {}
            }
            match store.save(&found.with(after)).await? {
                Swap::Saved(saved) => break (before, saved.settings),
                // Another admin was faster, so the change is applied to what they left.
                Swap::Lost(winner) => race.lost_to(winner),
            }
        };
        // By name and not by difference: if this fails, the same change can be sent again.
        if change.budgets.is_some() || change.prices.is_some() || change.breaker.is_some() {
            self.breaker.reset().await?;
        }
        let fields = changed_fields(&before, &after);
        self.trail.note(self.trail.entry(who, Action::SettingsChanged).about(fields)).await;
        Ok(Changed { settings: after, hook: new_hook })
    }

    /// The hook at a new address, or none at an empty one, with what it is set up with.
    async fn new_hook(
        &self,
        url: Option<&str>,
    ) -> Result<(Option<Option<WebhookSender>>, Option<HookSecrets>), SettingsError> {
        match url {
            None => Ok((None, None)),
            Some("") => Ok((Some(None), None)),
            Some(url) => {
                let invalid = |InvalidTarget| SettingsError::Invalid("sender.webhook.url");
                let url = TargetUrl::parse(url, self.reach).map_err(invalid)?;
                let rng = &mut entropy::system();
                let (id, reports) = (random::identifier(rng), OpaqueToken::random(rng));
                let signing = SigningSecret::of(&self.keys.get().await?.pepper, Receiver::Sender { id: &id });
                let hook = WebhookSender { url, id, report_token_hash: reports.hash() };
                Ok((Some(Some(hook)), Some(HookSecrets { signing, reports })))
            }
        }
    }

    /// Tries the account that `settings` describe, with `key` or the present one, and stores it.
    async fn store_account(&self, settings: &mut Settings, key: Option<&SecretString>) -> Result<(), SettingsError> {
        let Some(api_key) = (match key {
            Some(key) => Some(key.clone()),
            None => self.present_key().await?,
        }) else {
            return Ok(());
        };
        let account = Account { api_key, api: settings.clickatell.api, from: settings.clickatell.from.clone() };
        match self.clickatell.check_key(&account).await {
            KeyCheck::Accepted => {}
            KeyCheck::Rejected => return Err(SettingsError::KeyRejected),
            KeyCheck::Unavailable => return Err(SettingsError::Outage(Outage::Provider)),
        }
        self.account.put(&account.write()).await?;
        settings.clickatell.key_hint = Some(hint(account.api_key.expose_secret().trim()));
        settings.clickatell.updated_at = Some(self.clock.now());
        Ok(())
    }

    async fn present_key(&self) -> Result<Option<SecretString>, SecretError> {
        match self.account.refetch().await {
            Ok(account) => Ok(Some(account.api_key.clone())),
            Err(SecretError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl SettingsChange {
    /// The settings after this change.
    fn apply(&self, before: &Settings, hook: Option<&Option<WebhookSender>>) -> Result<Settings, SettingsError> {
        let mut after = before.clone();
        set(&mut after.two_step_enabled, self.two_step_enabled.as_ref());
        set(&mut after.phone_login_for_password_accounts, self.phone_login_for_password_accounts.as_ref());
        set(&mut after.allowed_countries, self.allowed_countries.as_ref());
        set(&mut after.site_name, self.site_name.as_ref());
        set(&mut after.site_host, self.site_host.as_ref());
        let site = after.site().map_err(|error| match error {
            InvalidSite::Name => SettingsError::Invalid("site_name"),
            InvalidSite::Host => SettingsError::Invalid("site_host"),
        })?;
        (after.site_name, after.site_host) = (site.name, site.host);
        apply(&mut after.budgets, self.budgets.as_ref(), Budgets::is_valid, "budgets")?;
        apply(&mut after.prices, self.prices.as_ref(), Prices::is_valid, "prices")?;
        apply(&mut after.limits, self.limits.as_ref(), Limits::is_valid, "limits")?;
        apply(&mut after.breaker, self.breaker.as_ref(), BreakerPolicy::is_valid, "breaker")?;
        set(&mut after.email_per_hour, self.email_per_hour.as_ref());
        if !Settings::is_email_budget(after.email_per_hour) {
            return Err(SettingsError::Invalid("email_per_hour"));
        }
        set(&mut after.phone_idle_days, self.phone_idle_days.as_ref());
        if !Settings::is_idle_time(after.phone_idle_days) {
            return Err(SettingsError::Invalid("phone_idle_days"));
        }
        if let Some(change) = &self.theme {
            after.theme = change(&after.theme);
        }
        if let Some(change) = &self.links {
            after.links = change(&after.links);
        }
        set(&mut after.test_numbers, self.test_numbers.as_ref());
        if !TestNumber::are_valid(&after.test_numbers) {
            return Err(SettingsError::Invalid("test_numbers"));
        }
        set(&mut after.sender.webhook, hook);
        set(&mut after.sender.order, self.sender.order.as_ref());
        if !after.sender.is_valid() {
            return Err(SettingsError::Invalid("sender.order"));
        }
        self.clickatell.apply(&mut after.clickatell)?;
        Ok(after)
    }
}

impl ClickatellChange {
    fn apply(&self, settings: &mut ClickatellSettings) -> Result<(), SettingsError> {
        set(&mut settings.api, self.api.as_ref());
        if let Some(from) = &self.from {
            let sender = (!from.trim().is_empty()).then(|| SenderId::parse(from)).transpose();
            let sender = sender.map_err(|_| SettingsError::Invalid("clickatell.from"))?;
            settings.from = sender.map(SenderId::into_string);
        }
        let is_key = |key: &SecretString| {
            let key = key.expose_secret().trim();
            (1..=200).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !self.api_key.as_ref().is_none_or(is_key) {
            return Err(SettingsError::Invalid("clickatell.api_key"));
        }
        Ok(())
    }
}

fn set<T: Clone>(setting: &mut T, to: Option<&T>) {
    if let Some(to) = to {
        setting.clone_from(to);
    }
}

fn apply<T>(
    part: &mut T,
    change: Option<&Change<T>>,
    is_valid: fn(&T) -> bool,
    field: &'static str,
) -> Result<(), SettingsError> {
    let Some(change) = change else { return Ok(()) };
    *part = change(part);
    if is_valid(part) { Ok(()) } else { Err(SettingsError::Invalid(field)) }
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
        ("email_per_hour", before.email_per_hour != after.email_per_hour),
        ("phone_idle_days", before.phone_idle_days != after.phone_idle_days),
        ("test_numbers", before.test_numbers != after.test_numbers),
        ("sender.order", before.sender.order != after.sender.order),
        ("sender.webhook", before.sender.webhook != after.sender.webhook),
        ("theme", before.theme != after.theme),
        ("links", before.links != after.links),
    ];
    fields.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
}
