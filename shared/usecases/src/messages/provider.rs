//! The provider that the environment names.

use std::{fmt, time::Duration};

use twostep_domain::target::Reach;
use twostep_runtime::{
    config::{self, ConfigError},
    secrets::Secrets,
};
use twostep_senders::{
    clickatell::{Account, CachedAccount, Client},
    outbound::Outbound,
};
use twostep_stores::Tables;

/// Why the function could not start.
#[derive(thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("no HTTP client: {0}")]
    Client(String),
}

/// A `main` that ends with an error prints this, so it reads like the message.
impl fmt::Debug for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The client of the Clickatell that the environment names.
pub(crate) fn clickatell(tables: &Tables) -> Result<Client, OpenError> {
    let url = config::clickatell_url(tables.env())?.unwrap_or_else(|| Client::PRODUCTION.to_owned());
    Client::new(url).map_err(|error| OpenError::Client(error.to_string()))
}

/// Where targets may be.
pub(crate) fn reach(tables: &Tables) -> Result<Reach, ConfigError> {
    Ok(if config::targets_may_be_loopback(tables.env())? { Reach::Loopback } else { Reach::Public })
}

/// The client of targets that an operator names.
pub(crate) fn outbound(tables: &Tables) -> Result<Outbound, OpenError> {
    Outbound::new(reach(tables)?).map_err(|error| OpenError::Client(error.to_string()))
}

/// The account at Clickatell. A change takes effect as fast as one of the settings does.
pub(crate) fn account(secrets: &Secrets) -> Result<CachedAccount, ConfigError> {
    Ok(secrets.open("CLICKATELL_SECRET", Account::parse)?.fresh_for(Duration::from_secs(30)))
}
