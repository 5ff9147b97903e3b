//! Registration tokens: the sealed proof that a caller has verified a number, which an account is created with.

use std::time::Duration;

use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use twostep_domain::{
    account::AccountSnapshot,
    challenge::Sealed,
    phone::PhoneNumber,
    time::{MINUTE, Timestamp},
};

use crate::key_ring::KeyRing;

/// How long a number that was verified may be registered.
pub const LIFETIME: Duration = Duration::from_secs(15 * MINUTE.as_secs());

/// What the token is sealed for.
const PLACE: &str = "registration-token";

/// A number that the caller has verified.
#[derive(Serialize, Deserialize)]
pub struct VerifiedPhone {
    pub phone: PhoneNumber,
    /// The idle account that had the number when it was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<AccountSnapshot>,
    expires_at: Timestamp,
}

impl VerifiedPhone {
    /// When the number was verified.
    #[must_use]
    pub fn verified_at(&self) -> Timestamp {
        self.expires_at.minus(LIFETIME)
    }

    /// When the token expires.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a registration token, or it has expired")]
pub struct InvalidRegistrationToken;

/// The text of a new token for `phone`.
pub fn issue(
    ring: &KeyRing,
    phone: PhoneNumber,
    former: Option<AccountSnapshot>,
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) -> String {
    ring.seal(PLACE, &VerifiedPhone { phone, former, expires_at: now.plus(LIFETIME) }, now, rng).0
}

/// The number that `token` is for.
///
/// # Errors
/// [`InvalidRegistrationToken`]
pub fn open(ring: &KeyRing, token: String, now: Timestamp) -> Result<VerifiedPhone, InvalidRegistrationToken> {
    let verified: VerifiedPhone = ring.open(PLACE, &Sealed(token), now).map_err(|_| InvalidRegistrationToken)?;
    // A token that claims to last longer than this was not made here.
    let is_live = now < verified.expires_at && verified.expires_at <= now.plus(LIFETIME);
    if is_live { Ok(verified) } else { Err(InvalidRegistrationToken) }
}
