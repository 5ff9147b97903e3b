//! The environment of a function, read in one place. Errors name the variable.

use std::{env, fmt, sync::Arc};

use secrecy::SecretString;
use tracing::level_filters::LevelFilter;

use crate::{
    clickatell,
    clock::Clock,
    phone::AllowedCountries,
    settings::{CachedSettings, Settings, SettingsStore},
    sms::{InvalidSite, Site},
    spending::{
        Spending,
        policy::{Allowance, Budgets},
    },
};

#[derive(thiserror::Error)]
#[error("environment variable {variable} {problem}")]
pub struct ConfigError {
    variable: &'static str,
    problem: String,
}

/// For people: a `main` that ends with an error prints this.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// # Errors
/// [`ConfigError`] when it is not set.
pub fn required(variable: &'static str) -> Result<String, ConfigError> {
    optional(variable)?.ok_or_else(|| ConfigError { variable, problem: "is not set".to_owned() })
}

/// Empty counts as not set: a template cannot leave a variable out.
///
/// # Errors
/// [`ConfigError`] when it is not Unicode.
pub fn optional(variable: &'static str) -> Result<Option<String>, ConfigError> {
    match env::var(variable) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(ConfigError { variable, problem: "is not Unicode".to_owned() }),
    }
}

fn malformed(variable: &'static str) -> impl Fn(&dyn std::fmt::Display) -> ConfigError {
    move |problem| ConfigError { variable, problem: format!("is malformed: {problem}") }
}

/// `LOG_LEVEL`: `error`, `warn`, `info` (the default), `debug` or `trace`.
///
/// # Errors
/// [`ConfigError`] when it is none of these.
pub fn log_level() -> Result<LevelFilter, ConfigError> {
    let Some(level) = optional("LOG_LEVEL")? else { return Ok(LevelFilter::INFO) };
    level.parse().map_err(|error| malformed("LOG_LEVEL")(&error))
}

/// `ALLOWED_COUNTRIES`: `*` or codes such as `US,ES`.
///
/// # Errors
/// [`ConfigError`] when it is missing or malformed.
pub fn allowed_countries() -> Result<AllowedCountries, ConfigError> {
    AllowedCountries::parse(&required("ALLOWED_COUNTRIES")?).map_err(|error| malformed("ALLOWED_COUNTRIES")(&error))
}

/// `SITE_NAME` and `SITE_HOST`, as they appear in messages.
///
/// # Errors
/// [`ConfigError`] when one is missing or cannot be part of a message.
pub fn site() -> Result<Site, ConfigError> {
    let (name, host) = (required("SITE_NAME")?, required("SITE_HOST")?);
    Site::new(&name, &host).map_err(|error| {
        let variable = match error {
            InvalidSite::Name => "SITE_NAME",
            InvalidSite::Host => "SITE_HOST",
        };
        malformed(variable)(&error)
    })
}

/// `ISSUER`: the address that tokens name; none takes the gateway's own.
///
/// # Errors
/// [`ConfigError`] when it is not an address without a path.
pub fn issuer() -> Result<Option<String>, ConfigError> {
    let Some(issuer) = optional("ISSUER")? else { return Ok(None) };
    let host = issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://localhost"));
    if host.is_none_or(|host| host.contains(['/', '?', '#', ' '])) {
        return Err(malformed("ISSUER")(&"expected an origin such as https://auth.example.com"));
    }
    Ok(Some(issuer))
}

/// `CLICKATELL_URL`: where Clickatell answers; its production address unless set.
///
/// # Errors
/// [`ConfigError`] when it is not Unicode.
pub fn clickatell_url() -> Result<String, ConfigError> {
    Ok(optional("CLICKATELL_URL")?.unwrap_or_else(|| clickatell::Client::PRODUCTION.to_owned()))
}

/// `SMS_PER_HOUR`, `SMS_PER_DAY` and `SMS_PER_MONTH`: how many messages may be sent in all, where they are set.
///
/// # Errors
/// [`ConfigError`] when one is not a whole number.
pub fn budgets() -> Result<Budgets, ConfigError> {
    let messages = |variable, allowance: &mut Allowance| match optional(variable)? {
        Some(most) => {
            allowance.messages = Some(most.parse().map_err(|_| malformed(variable)(&"expected a whole number"))?);
            Ok(())
        }
        None => Ok(()),
    };
    let mut budgets = Budgets::default();
    messages("SMS_PER_HOUR", &mut budgets.all.hour)?;
    messages("SMS_PER_DAY", &mut budgets.all.day)?;
    messages("SMS_PER_MONTH", &mut budgets.all.month)?;
    Ok(budgets)
}

/// `COUNTERS_TABLE`, and `LIMITS`: `lifted` where everybody comes from one address and no message costs anything, as on a
/// laptop.
///
/// # Errors
/// [`ConfigError`] when the table is missing or the limits are something else.
pub fn spending(tables: &aws_sdk_dynamodb::Client, clock: &Arc<dyn Clock>) -> Result<Spending, ConfigError> {
    Ok(Spending::new(tables, &required("COUNTERS_TABLE")?, clock, limits_are_lifted()?))
}

/// # Errors
/// [`ConfigError`] when `LIMITS` is neither `deployed` (the default) nor `lifted`.
pub fn limits_are_lifted() -> Result<bool, ConfigError> {
    match optional("LIMITS")?.as_deref() {
        None | Some("deployed") => Ok(false),
        Some("lifted") => Ok(true),
        Some(_) => Err(malformed("LIMITS")(&"expected `deployed` or `lifted`")),
    }
}

/// `ADDRESS_LIMITS`: `off` where callers come through somebody else's addresses, a CDN's, so that one is of many.
///
/// # Errors
/// [`ConfigError`] when it is neither `on` (the default) nor `off`.
pub fn addresses_are_limited() -> Result<bool, ConfigError> {
    match optional("ADDRESS_LIMITS")?.as_deref() {
        None | Some("on") => Ok(!limits_are_lifted()?),
        Some("off") => Ok(false),
        Some(_) => Err(malformed("ADDRESS_LIMITS")(&"expected `on` or `off`")),
    }
}

/// `SETTINGS_TABLE`, and for as long as its item was never written, [`site`], [`allowed_countries`] and [`budgets`].
///
/// # Errors
/// [`ConfigError`] when one of them is missing or malformed.
pub fn settings(tables: &aws_sdk_dynamodb::Client, clock: &Arc<dyn Clock>) -> Result<CachedSettings, ConfigError> {
    let initial = Settings::initial(&site()?, allowed_countries()?, budgets()?);
    let store = SettingsStore::new(tables.clone(), required("SETTINGS_TABLE")?, initial);
    Ok(CachedSettings::new(store, Arc::clone(clock)))
}

/// `CALLBACK_TOKEN`: what Clickatell's callbacks are recognised by, at least 32 characters.
///
/// # Errors
/// [`ConfigError`] when it is missing or short enough to be guessed.
pub fn callback_token() -> Result<SecretString, ConfigError> {
    const SHORTEST: usize = 32;
    let token = required("CALLBACK_TOKEN")?;
    if token.len() < SHORTEST {
        return Err(malformed("CALLBACK_TOKEN")(&format!("at least {SHORTEST} characters")));
    }
    Ok(token.into())
}
