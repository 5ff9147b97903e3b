//! Clients: the operator's websites, apps and servers that use this service.

mod redirect_uri;

use std::time::Duration;

pub use redirect_uri::{InvalidRedirectUri, RedirectUri};
use serde::{Deserialize, Serialize};

use crate::{
    ids::ClientId,
    time::{DAY, Timestamp},
};

/// How long the former secret stays valid after a renewal.
pub const FORMER_SECRET_LASTS: Duration = DAY;

/// What a client is, which decides what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr, strum::EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum ClientKind {
    /// A website whose server keeps a secret.
    Web,
    /// A page that runs in the browser only.
    Spa,
    /// An app on a phone or a desktop.
    Native,
    /// A server that orders verifications and introspects tokens. It signs no users in.
    Server,
}

impl ClientKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether the client can keep a secret (RFC 6749 §2.1).
    #[must_use]
    pub fn is_confidential(self) -> bool {
        matches!(self, Self::Web | Self::Server)
    }
}

/// The display name of a client: 1 to 100 characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientName(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a name must have 1 to 100 visible characters")]
pub struct InvalidClientName;

impl ClientName {
    const LONGEST: usize = 100;

    /// # Errors
    /// [`InvalidClientName`]
    pub fn parse(input: &str) -> Result<Self, InvalidClientName> {
        let name = input.trim();
        let is_valid = !name.is_empty() && name.chars().count() <= Self::LONGEST && !name.chars().any(char::is_control);
        if is_valid { Ok(Self(name.to_owned())) } else { Err(InvalidClientName) }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The hash of a client secret. `twostep_crypto::opaque_token` makes and compares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretHash {
    pub hash: String,
    /// `None` for the present secret.
    #[serde(default)]
    pub valid_until: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    pub id: ClientId,
    pub name: ClientName,
    pub kind: ClientKind,
    #[serde(default)]
    pub redirect_uris: Vec<RedirectUri>,
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    pub created_at: Timestamp,
    /// The present secret first, then the former one. Empty for public clients.
    #[serde(default)]
    secrets: Vec<SecretHash>,
}

impl Client {
    #[must_use]
    pub fn new(id: ClientId, name: ClientName, kind: ClientKind, created_at: Timestamp) -> Self {
        Self {
            id,
            name,
            kind,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            created_at,
            secrets: Vec::new(),
        }
    }

    /// The client with a new secret. The former one stays valid for [`FORMER_SECRET_LASTS`], an older one ends at once.
    #[must_use]
    pub fn with_secret(mut self, hash: String, now: Timestamp) -> Self {
        let former = self.secrets.drain(..).next();
        let until = now.plus(FORMER_SECRET_LASTS);
        let former = former.map(|former| SecretHash { valid_until: Some(until), ..former });
        self.secrets = [SecretHash { hash, valid_until: None }].into_iter().chain(former).collect();
        self
    }

    /// The hashes of the secrets that are valid at `now`.
    pub fn valid_secrets(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let valid = self.secrets.iter().filter(move |secret| secret.valid_until.is_none_or(|until| now < until));
        valid.map(|secret| secret.hash.as_str())
    }

    /// Whether a sign-in of this client may return to `uri`.
    #[must_use]
    pub fn allows_redirect(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|registered| registered.matches(uri, self.kind))
    }

    /// Whether a sign-out of this client may return to `uri`.
    #[must_use]
    pub fn allows_redirect_after_logout(&self, uri: &str) -> bool {
        self.post_logout_redirect_uris.iter().any(|registered| registered.matches(uri, self.kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn client(kind: ClientKind) -> Client {
        Client::new(ClientId::from_stored("c"), ClientName::parse("Shop").unwrap(), kind, NOW)
    }

    #[test]
    fn two_secrets_are_valid_for_a_day_after_a_renewal() {
        let day = i64::try_from(DAY.as_secs()).unwrap();
        let first = client(ClientKind::Web).with_secret("one".into(), NOW);
        assert_eq!(first.valid_secrets(Timestamp(i64::MAX)).collect::<Vec<_>>(), ["one"]);
        let second = first.with_secret("two".into(), NOW);
        assert_eq!(second.valid_secrets(Timestamp(NOW.0 + day - 1)).collect::<Vec<_>>(), ["two", "one"]);
        assert_eq!(second.valid_secrets(Timestamp(NOW.0 + day)).collect::<Vec<_>>(), ["two"]);
        let third = second.with_secret("three".into(), NOW);
        assert_eq!(third.valid_secrets(NOW).collect::<Vec<_>>(), ["three", "two"], "no more than two");
    }

    #[test]
    fn a_name_is_visible_and_short() {
        assert_eq!(ClientName::parse("  Café ").unwrap().as_str(), "Café");
        for wrong in ["", "   ", "a\nb", &"x".repeat(101)] {
            assert!(ClientName::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_public_client_has_no_secret() {
        assert!(client(ClientKind::Spa).valid_secrets(NOW).next().is_none());
        assert!(!ClientKind::Spa.is_confidential() && !ClientKind::Native.is_confidential());
        assert!(ClientKind::Web.is_confidential() && ClientKind::Server.is_confidential());
    }
}
