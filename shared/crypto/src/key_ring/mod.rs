//! The key ring: the keys that sign tokens, seal payloads and hide names, and which of them are in use.
//!
//! [`KeysSecret`] is how the ring is stored; [`rotation`] decides what a rotation changes.

pub mod rotation;
mod secret;

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto, jwk::Jwk};
use rand::CryptoRng;
use secrecy::SecretString;
use serde::{Serialize, de::DeserializeOwned};
use twostep_domain::{
    challenge::Sealed,
    time::{DAY, HOUR, Timestamp},
};

pub use self::secret::KeysSecret;
use crate::{
    pepper::Pepper,
    sealing::{self, DataKey, UnsealError},
};

/// Why the keys secret holds no keys that can be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeysError {
    /// The template's placeholder: the first rotation has not run yet.
    #[error("there are no keys yet")]
    NotCreated,
    /// Names the part, never the content.
    #[error("the keys secret is malformed: {0}")]
    Malformed(&'static str),
}

/// One RSA key for access tokens.
pub struct SigningKey {
    pub id: String,
    pub private: EncodingKey,
    pub public: DecodingKey,
    pub jwk: Jwk,
}

/// A key and the moment from which it is used.
pub struct Dated<K> {
    pub use_from: Timestamp,
    pub key: K,
}

/// Everything in the keys secret, parsed.
pub struct KeyRing {
    pub pepper: Pepper,
    /// Both lists are in the order of use.
    data_keys: Vec<Dated<DataKey>>,
    signing_keys: Vec<Dated<SigningKey>>,
}

/// How long a signing key is accepted after its successor's first use: its last token lives ten minutes, and clocks
/// differ.
const SIGNING_KEY_OUTLIVES: Duration = HOUR;

/// How long a data key opens after its successor's first use: a challenge is read for a day, and DynamoDB may delete it
/// days late.
const DATA_KEY_OUTLIVES: Duration = Duration::from_secs(7 * DAY.as_secs());

impl KeyRing {
    /// # Errors
    /// [`KeysError`]
    pub fn parse(secret: &SecretString) -> Result<Self, KeysError> {
        KeysSecret::parse(secret)?.ring()
    }

    /// Seals under the newest data key that is in use.
    pub fn seal(&self, place: &str, value: &impl Serialize, now: Timestamp, rng: &mut dyn CryptoRng) -> Sealed {
        self.data_keys[in_use(&self.data_keys, now)].key.seal(place, value, rng)
    }

    /// # Errors
    /// [`UnsealError`] if it was not sealed by this service, not for this place, or under a key that has expired.
    pub fn open<T: DeserializeOwned>(&self, place: &str, sealed: &Sealed, now: Timestamp) -> Result<T, UnsealError> {
        let first = first_living(self.data_keys.iter().map(|dated| dated.use_from), DATA_KEY_OUTLIVES, now);
        sealing::open(sealed, self.data_keys[first..].iter().map(|dated| &dated.key), place)
    }

    /// The newest signing key that is in use.
    #[must_use]
    pub fn signing_key(&self, now: Timestamp) -> &SigningKey {
        &self.signing_keys[in_use(&self.signing_keys, now)].key
    }

    /// The signing key with this id, unless the last of its tokens has expired by `now`.
    #[must_use]
    pub fn signing_key_by_id(&self, id: &str, now: Timestamp) -> Option<&SigningKey> {
        self.live_signing_keys(now).find(|key| key.id == id)
    }

    /// The public keys, as JWKS publishes them: those of tokens that are still valid, and those that will sign.
    pub fn jwks(&self, now: Timestamp) -> impl Iterator<Item = &Jwk> {
        self.live_signing_keys(now).map(|key| &key.jwk)
    }

    /// Checks that the two halves of each signing key belong together.
    ///
    /// # Errors
    /// [`KeysError::Malformed`].
    pub(crate) fn prove_signing_keys(&self) -> Result<(), KeysError> {
        let malformed = |_| KeysError::Malformed("signing_keys");
        for SigningKey { private, public, .. } in self.signing_keys.iter().map(|dated| &dated.key) {
            let signature = crypto::sign(b"proof", private, Algorithm::RS256).map_err(malformed)?;
            if !crypto::verify(&signature, b"proof", public, Algorithm::RS256).map_err(malformed)? {
                return Err(KeysError::Malformed("signing_keys"));
            }
        }
        Ok(())
    }

    fn live_signing_keys(&self, now: Timestamp) -> impl Iterator<Item = &SigningKey> {
        let first = first_living(self.signing_keys.iter().map(|dated| dated.use_from), SIGNING_KEY_OUTLIVES, now);
        self.signing_keys[first..].iter().map(|dated| &dated.key)
    }
}

/// The index of the newest key that is in use, in a list in the order of use; the first if none is in use yet.
fn in_use<K>(keys: &[Dated<K>], now: Timestamp) -> usize {
    keys.iter().rposition(|dated| dated.use_from <= now).unwrap_or(0)
}

/// How many keys at the start of a list in the order of use have had a successor for longer than `outlives`.
fn first_living(use_from: impl Iterator<Item = Timestamp>, outlives: Duration, now: Timestamp) -> usize {
    use_from.skip(1).take_while(|successor| successor.plus(outlives) <= now).count()
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};
    use secrecy::ExposeSecret;

    use super::*;

    const HOUR: i64 = 3_600;

    #[test]
    fn a_key_is_published_before_its_first_use_and_for_an_hour_after_its_last() {
        let mut rng = StdRng::seed_from_u64(1);
        let first = KeysSecret::first(Timestamp(0), &mut rng).unwrap();
        let ring = rotation::next(&first, Timestamp(100), &mut rng).unwrap().ring().unwrap();
        let at = |now| (ring.signing_key(Timestamp(now)).id.as_str(), ring.jwks(Timestamp(now)).count());
        let (old, new) = (at(100).0, at(10 * HOUR).0);
        assert_ne!(old, new);
        let turn = 100 + 3 * HOUR;
        assert_eq!(at(turn - 1), (old, 2));
        assert_eq!(at(turn), (new, 2));
        assert_eq!(at(turn + HOUR - 1), (new, 2));
        assert_eq!(at(turn + HOUR), (new, 1));
        assert!(ring.signing_key_by_id(old, Timestamp(turn + HOUR - 1)).is_some());
        assert!(ring.signing_key_by_id(old, Timestamp(turn + HOUR)).is_none());
    }

    #[test]
    fn an_error_names_the_malformed_part_and_never_its_content() {
        for wrong in ["", "x", "[]", r#"{"pepper":"AA=="}"#, r#"{"pepper":"AA==","data_keys":[],"signing_keys":[]}"#] {
            assert!(matches!(KeyRing::parse(&wrong.to_owned().into()), Err(KeysError::Malformed(_))), "{wrong}");
        }
        assert!(matches!(KeyRing::parse(&"{}".to_owned().into()), Err(KeysError::NotCreated)));
    }

    #[test]
    fn a_secret_is_read_back() {
        let secret = KeysSecret::first(Timestamp(7), &mut StdRng::seed_from_u64(2)).unwrap().write();
        assert_eq!(KeysSecret::parse(&secret).unwrap().write().expose_secret(), secret.expose_secret());
    }
}
