//! Who issues tokens: the configured address, or the gateway's own name.

use lambda_http::Request;
use twostep_crypto::access_token::Issuer;
use twostep_runtime::config::{self, ConfigError, Environment};

use super::request::domain_name;

pub struct IssuerAddress(Option<String>);

impl IssuerAddress {
    /// # Errors
    /// [`ConfigError`] if the issuer is malformed.
    pub fn open(env: &Environment) -> Result<Self, ConfigError> {
        Ok(Self(config::issuer(env)?))
    }

    #[must_use]
    pub fn of(&self, request: &Request) -> String {
        self.0.clone().unwrap_or_else(|| format!("https://{}", domain_name(request).unwrap_or("localhost")))
    }
}

/// The issuer with the audience of its access tokens.
pub struct TokenIssuer {
    address: IssuerAddress,
    audience: String,
}

impl TokenIssuer {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(env: &Environment) -> Result<Self, ConfigError> {
        Ok(Self { address: IssuerAddress::open(env)?, audience: config::audience(env)? })
    }

    #[must_use]
    pub fn of(&self, request: &Request) -> Issuer {
        Issuer { issuer: self.address.of(request), audience: self.audience.clone() }
    }
}
