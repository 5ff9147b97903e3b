//! The names of challenges: the key in the table and the id that clients hold.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};

use super::Purpose;
use crate::{entropy, keys::Pepper, phone::PhoneNumber, users::UserId};

/// The table's key for one (purpose, subject, phone): an HMAC, so the table shows no phone number.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChallengeKey(String);

impl ChallengeKey {
    const BYTES: usize = 32;

    /// `subject` is the user who asks, where the purpose knows one.
    #[must_use]
    pub fn derive(pepper: &Pepper, purpose: Purpose, subject: Option<&UserId>, phone: &PhoneNumber) -> Self {
        let subject = subject.map_or("", UserId::as_str);
        let name = format!("challenge-key|{}|{subject}|{}", purpose.as_str(), phone.e164());
        Self(URL_SAFE_NO_PAD.encode(pepper.authenticate(name.as_bytes())))
    }

    /// The key of a message that answers to nobody.
    #[must_use]
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        Self(URL_SAFE_NO_PAD.encode(entropy::bytes::<{ Self::BYTES }>(rng)))
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
}

impl fmt::Debug for ChallengeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChallengeKey(…)")
    }
}

/// What a client holds: `base64url(key ‖ HMAC(pepper, key | issue))`. Opaque, stateless, and dead as soon as a newer
/// code is issued.
pub struct ChallengeId {
    key: ChallengeKey,
    tag: Vec<u8>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a valid challenge ID")]
pub struct InvalidChallengeId;

impl ChallengeId {
    #[must_use]
    pub fn write(pepper: &Pepper, key: &ChallengeKey, issue: u64) -> String {
        let mut bytes = URL_SAFE_NO_PAD.decode(key.as_str()).unwrap_or_default();
        bytes.extend_from_slice(pepper.authenticate(&Self::signed(key, issue)).as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// # Errors
    /// [`InvalidChallengeId`] when it has not the form of one; whether it names a challenge is told by
    /// [`ChallengeId::names`].
    pub fn parse(input: &str) -> Result<Self, InvalidChallengeId> {
        // Checked before decoding, so that a long path segment costs nothing.
        if input.len() > 2 * 2 * ChallengeKey::BYTES {
            return Err(InvalidChallengeId);
        }
        let bytes = URL_SAFE_NO_PAD.decode(input).map_err(|_| InvalidChallengeId)?;
        let (key, tag) = bytes.split_at_checked(ChallengeKey::BYTES).ok_or(InvalidChallengeId)?;
        Ok(Self { key: ChallengeKey(URL_SAFE_NO_PAD.encode(key)), tag: tag.to_vec() })
    }

    #[must_use]
    pub fn key(&self) -> &ChallengeKey {
        &self.key
    }

    /// Whether this is the id of the challenge's present code.
    #[must_use]
    pub fn names(&self, pepper: &Pepper, key: &ChallengeKey, issue: u64) -> bool {
        self.key == *key && hmac::verify(pepper.hmac_key(), &Self::signed(key, issue), &self.tag).is_ok()
    }

    fn signed(key: &ChallengeKey, issue: u64) -> Vec<u8> {
        format!("challenge-id|{}|{issue}", key.as_str()).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pepper(seed: u8) -> Pepper {
        Pepper::new(&[seed; 32])
    }

    fn phone() -> PhoneNumber {
        PhoneNumber::parse("+14155552671").unwrap()
    }

    #[test]
    fn an_id_names_one_issue_of_one_challenge() {
        let key = ChallengeKey::derive(&pepper(1), Purpose::Login, None, &phone());
        let id = ChallengeId::parse(&ChallengeId::write(&pepper(1), &key, 3)).unwrap();
        assert!(id.names(&pepper(1), &key, 3));
        assert!(!id.names(&pepper(1), &key, 4), "a newer code has another id");
        assert!(!id.names(&pepper(2), &key, 3), "only this service makes ids");
        let other = ChallengeKey::derive(&pepper(1), Purpose::Register, None, &phone());
        assert!(!id.names(&pepper(1), &other, 3), "an id belongs to its purpose");
    }

    #[test]
    fn one_subject_is_not_another() {
        let (ann, bob) = (UserId::from_stored("ann"), UserId::from_stored("bob"));
        let of = |user| ChallengeKey::derive(&pepper(1), Purpose::Profile, Some(user), &phone());
        assert!(of(&ann) != of(&bob));
    }

    #[test]
    fn noise_is_not_an_id() {
        for noise in ["", "abc", "not base64!", &"A".repeat(10_000)] {
            assert!(ChallengeId::parse(noise).is_err());
        }
    }
}
