//! Client secrets: 256 random bits each, of which the registry knows only hashes.

use secrecy::{ExposeSecret, SecretString};
use twostep_domain::{client::Client, time::Timestamp};

use crate::opaque_token::OpaqueToken;

/// Whether `given` is one of the client's secrets that are valid at `now`.
#[must_use]
pub fn belongs_to(client: &Client, given: &SecretString, now: Timestamp) -> bool {
    let Some(given) = OpaqueToken::parse(given.expose_secret()) else { return false };
    client.valid_secrets(now).any(|stored| given.has_hash(stored))
}
