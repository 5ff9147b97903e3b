//! A function's environment variables, read in one place. Each function reads only those that its job needs; errors name
//! the variable.

use std::{
    collections::HashMap,
    env,
    fmt::{self, Display},
    sync::Arc,
};

use tracing::level_filters::LevelFilter;
use twostep_crypto::origin_secret::OriginSecrets;
use twostep_domain::{
    country::AllowedCountries,
    email::Sender,
    message_texts::{InvalidSite, Site},
    settings::Settings,
    spending::{Allowance, Budgets},
};

#[derive(thiserror::Error)]
#[error("environment variable {variable} {problem}")]
pub struct ConfigError {
    variable: &'static str,
    problem: String,
}

/// A `main` that ends with an error prints this, so it reads like the message.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where variables come from: the process, or a list that a test gives.
#[derive(Clone, Default)]
pub struct Environment(Option<Arc<HashMap<&'static str, String>>>);

impl Environment {
    #[must_use]
    pub fn of_process() -> Self {
        Self(None)
    }

    #[must_use]
    pub fn of(variables: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self(Some(Arc::new(variables.into_iter().collect())))
    }

    /// # Errors
    /// [`ConfigError`] if it is not set.
    pub fn required(&self, variable: &'static str) -> Result<String, ConfigError> {
        self.optional(variable)?.ok_or_else(|| ConfigError { variable, problem: "is not set".to_owned() })
    }

    /// An empty value counts as not set, because a template cannot leave a variable out.
    ///
    /// # Errors
    /// [`ConfigError`] if it is not Unicode.
    pub fn optional(&self, variable: &'static str) -> Result<Option<String>, ConfigError> {
        let value = match &self.0 {
            Some(variables) => variables.get(variable).cloned(),
            None => match env::var(variable) {
                Ok(value) => Some(value),
                Err(env::VarError::NotPresent) => None,
                Err(env::VarError::NotUnicode(_)) => {
                    return Err(ConfigError { variable, problem: "is not Unicode".to_owned() });
                }
            },
        };
        Ok(value.filter(|value| !value.is_empty()))
    }
}

fn malformed(variable: &'static str, problem: impl Display) -> ConfigError {
    ConfigError { variable, problem: format!("is malformed: {problem}") }
}

/// `LOG_LEVEL`: `error`, `warn`, `info` (the default), `debug` or `trace`.
///
/// # Errors
/// [`ConfigError`] for any other value.
pub fn log_level(env: &Environment) -> Result<LevelFilter, ConfigError> {
    let Some(level) = env.optional("LOG_LEVEL")? else { return Ok(LevelFilter::INFO) };
    level.parse().map_err(|error| malformed("LOG_LEVEL", error))
}

/// `METRICS_NAMESPACE`: where metrics are counted, `TwoStep/` and the stack's name. `TwoStep` unless set.
///
/// # Errors
/// [`ConfigError`] if it is not Unicode.
pub fn metrics_namespace(env: &Environment) -> Result<String, ConfigError> {
    Ok(env.optional("METRICS_NAMESPACE")?.unwrap_or_else(|| "TwoStep".to_owned()))
}

/// `ISSUER`: the address that tokens name; `None` means the gateway's own.
///
/// # Errors
/// [`ConfigError`] unless it is an origin, that is an address without a path.
pub fn issuer(env: &Environment) -> Result<Option<String>, ConfigError> {
    let Some(issuer) = env.optional("ISSUER")? else { return Ok(None) };
    let host = issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://localhost"));
    if host.is_none_or(|host| host.contains(['/', '?', '#', ' '])) {
        return Err(malformed("ISSUER", "expected an origin such as https://auth.example.com"));
    }
    Ok(Some(issuer))
}

/// `AUDIENCE` of access tokens: `twostep` unless set.
///
/// # Errors
/// [`ConfigError`] if it is not Unicode.
pub fn audience(env: &Environment) -> Result<String, ConfigError> {
    Ok(env.optional("AUDIENCE")?.unwrap_or_else(|| "twostep".to_owned()))
}

/// `ALLOWED_ORIGINS`: the origins whose pages may call the API, comma-separated. Without the variable there are none.
///
/// # Errors
/// [`ConfigError`] unless each is an origin as browsers send it (RFC 6454 §6.2): https, or http on a laptop's loopback.
pub fn allowed_origins(env: &Environment) -> Result<Vec<String>, ConfigError> {
    const VARIABLE: &str = "ALLOWED_ORIGINS";
    let is_origin = |origin: &str| {
        let loopback = ["http://localhost", "http://127.0.0.1", "http://[::1]"];
        let after_host = loopback.iter().find_map(|host| origin.strip_prefix(host));
        let is_loopback = after_host.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://").filter(|_| is_loopback));
        host.is_some_and(|host| {
            let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-:[]".contains(c);
            !host.is_empty() && host.chars().all(known)
        })
    };
    let origins = env.optional(VARIABLE)?.unwrap_or_default();
    let origins: Vec<String> =
        origins.split(',').map(str::trim).filter(|origin| !origin.is_empty()).map(str::to_owned).collect();
    match origins.iter().find(|origin| !is_origin(origin)) {
        Some(wrong) => {
            Err(malformed(VARIABLE, format_args!("{wrong:?} is not an origin such as https://shop.example")))
        }
        None => Ok(origins),
    }
}

/// `ORIGIN_SECRET_HASHES`: SHA-256 hashes of the secrets with which the edge proves itself. Without any, there is no edge.
///
/// # Errors
/// [`ConfigError`] unless they are in hexadecimal, separated by commas.
pub fn origin_secrets(env: &Environment) -> Result<OriginSecrets, ConfigError> {
    const VARIABLE: &str = "ORIGIN_SECRET_HASHES";
    let hashes = env.optional(VARIABLE)?.unwrap_or_default();
    OriginSecrets::parse(&hashes).ok_or_else(|| malformed(VARIABLE, "expected SHA-256 hashes in hexadecimal"))
}

/// The settings until an admin has saved some: `SITE_NAME` and `SITE_HOST` as they appear in messages,
/// `ALLOWED_COUNTRIES` (`*` or codes such as `US,ES`), and `SMS_PER_HOUR`, `SMS_PER_DAY` and `SMS_PER_MONTH`, the budgets
/// of all messages, where they are set.
///
/// # Errors
/// [`ConfigError`] if one is missing or malformed.
pub fn initial_settings(env: &Environment) -> Result<Settings, ConfigError> {
    let (name, host) = (env.required("SITE_NAME")?, env.required("SITE_HOST")?);
    let site = Site::new(&name, &host).map_err(|error| {
        let variable = match error {
            InvalidSite::Name => "SITE_NAME",
            InvalidSite::Host => "SITE_HOST",
        };
        malformed(variable, error)
    })?;
    let countries = AllowedCountries::parse(&env.required("ALLOWED_COUNTRIES")?)
        .map_err(|error| malformed("ALLOWED_COUNTRIES", error))?;
    let messages = |variable, allowance: &mut Allowance| match env.optional(variable)? {
        Some(most) => {
            allowance.messages = Some(most.parse().map_err(|_| malformed(variable, "expected a whole number"))?);
            Ok(())
        }
        None => Ok(()),
    };
    let mut budgets = Budgets::default();
    messages("SMS_PER_HOUR", &mut budgets.all.hour)?;
    messages("SMS_PER_DAY", &mut budgets.all.day)?;
    messages("SMS_PER_MONTH", &mut budgets.all.month)?;
    Ok(Settings::initial(&site, countries, budgets))
}

/// `CLICKATELL_URL`: an address to use instead of Clickatell's own, for a laptop.
///
/// # Errors
/// [`ConfigError`] if it is not Unicode.
pub fn clickatell_url(env: &Environment) -> Result<Option<String>, ConfigError> {
    env.optional("CLICKATELL_URL")
}

/// `TARGETS`: `public` (the default), or `loopback` on a laptop, where webhooks and senders may be on the same machine.
///
/// # Errors
/// [`ConfigError`] for any other value.
pub fn targets_may_be_loopback(env: &Environment) -> Result<bool, ConfigError> {
    match env.optional("TARGETS")?.as_deref() {
        None | Some("public") => Ok(false),
        Some("loopback") => Ok(true),
        Some(_) => Err(malformed("TARGETS", "expected public or loopback")),
    }
}

/// `EMAIL_FROM`: the sender of emails, such as `Example <no-reply@example.com>`; `None` turns email off.
///
/// # Errors
/// [`ConfigError`] unless it is an address, with or without a name.
pub fn email_from(env: &Environment) -> Result<Option<Sender>, ConfigError> {
    let sender = env.optional("EMAIL_FROM")?.map(|sender| Sender::parse(&sender)).transpose();
    sender.map_err(|error| malformed("EMAIL_FROM", error))
}

/// `LIMITS`: `deployed` (the default), or `lifted` on a laptop, where every caller has the same client IP and no message
/// costs anything.
///
/// # Errors
/// [`ConfigError`] for any other value.
pub fn limits_are_lifted(env: &Environment) -> Result<bool, ConfigError> {
    match env.optional("LIMITS")?.as_deref() {
        None | Some("deployed") => Ok(false),
        Some("lifted") => Ok(true),
        Some(_) => Err(malformed("LIMITS", "expected `deployed` or `lifted`")),
    }
}

/// `ADDRESS_LIMITS`: `on` (the default), or `off` where callers come through a CDN, whose addresses many of them share.
///
/// # Errors
/// [`ConfigError`] for any other value.
pub fn client_ips_are_limited(env: &Environment) -> Result<bool, ConfigError> {
    match env.optional("ADDRESS_LIMITS")?.as_deref() {
        None | Some("on") => Ok(!limits_are_lifted(env)?),
        Some("off") => Ok(false),
        Some(_) => Err(malformed("ADDRESS_LIMITS", "expected `on` or `off`")),
    }
}
