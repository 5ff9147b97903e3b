//! Identifiers of accounts, sessions, clients and challenges. They are not secrets, and they reveal
//! neither a name nor a number.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::random;

#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(String);

impl UserId {
    #[must_use]
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        Self(random::identifier(rng))
    }

    /// The longest id that an import may bring.
    const LONGEST: usize = 64;

    /// Segments of the routes of users, which an id stands among.
    const RESERVED: [&str; 5] = ["v1", "admin", "users", "import", "export"];

    /// An id that other software gave its user: 1 to 64 letters, digits, hyphens and underscores.
    #[must_use]
    pub fn imported(id: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_free = (1..=Self::LONGEST).contains(&id.len()) && !Self::RESERVED.contains(&id);
        (is_free && id.bytes().all(is_plain)).then(|| Self(id.to_owned()))
    }

    /// For ids that this service wrote itself: from a table or a signed token.
    #[must_use]
    pub fn from_stored(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The `sid` of access tokens and the key of a session in the table. A refresh token leads to it; it leads to no token.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(String);

impl SessionId {
    #[must_use]
    pub fn from_stored(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The `client_id` of a client.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(String);

impl ClientId {
    #[must_use]
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        Self(random::identifier(rng))
    }

    /// For an id that a caller claims or that this service wrote itself. Only the registry tells whether it exists.
    #[must_use]
    pub fn from_stored(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key of a client's grant in the table: what one sign-in gave to one client. It leads to no token.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GrantId(String);

impl GrantId {
    /// Ids of sessions have no dot, so neither is ever the other.
    const PREFIX: &str = "grant.";

    /// The grant whose refresh tokens have this family.
    #[must_use]
    pub fn of_family(family: &SessionId) -> Self {
        Self(format!("{}{}", Self::PREFIX, family.as_str()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key of a challenge in the table: an HMAC of (purpose, subject, recipient), so the table shows no number or address.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChallengeKey(String);

impl ChallengeKey {
    pub const BYTES: usize = 32;

    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The key of a message that expects no code back.
    #[must_use]
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        Self::from_bytes(&random::bytes::<{ Self::BYTES }>(rng))
    }

    /// For a key that this service wrote itself.
    #[must_use]
    pub fn from_stored(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for ChallengeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChallengeKey(…)")
    }
}
