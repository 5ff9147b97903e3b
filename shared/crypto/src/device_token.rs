//! Device tokens: what a remembered browser keeps.

use rand::CryptoRng;
use secrecy::{ExposeSecret, SecretString};
use twostep_domain::{
    account::{Device, User},
    random,
    time::Timestamp,
};

use crate::opaque_token::OpaqueToken;

/// `<device id>.<base64url(secret)>`.
pub struct DeviceToken {
    pub id: String,
    secret: OpaqueToken,
}

impl DeviceToken {
    #[must_use]
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        Self { id: random::identifier(rng), secret: OpaqueToken::random(rng) }
    }

    /// `None` unless it has the form of one.
    #[must_use]
    pub fn parse(token: &SecretString) -> Option<Self> {
        let (id, secret) = token.expose_secret().split_once('.')?;
        Some(Self { id: id.to_owned(), secret: OpaqueToken::parse(secret)? })
    }

    /// The text of the token, for the response that delivers it and for nothing else.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{}.{}", self.id, self.secret.expose())
    }

    #[must_use]
    pub fn hash(&self) -> String {
        self.secret.hash()
    }

    /// The account's device that this token belongs to, unless it has expired.
    #[must_use]
    pub fn device_of<'a>(&self, user: &'a User, now: Timestamp) -> Option<&'a Device> {
        let device = user.devices.get(&self.id)?;
        (self.secret.has_hash(&device.token_hash) && now < device.expires_at).then_some(device)
    }
}
