//! Sealing: authenticated encryption of a value, bound to the place where it is kept.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::CryptoRng;
use secrecy::{ExposeSecret, SecretSlice};
use serde::{Serialize, de::DeserializeOwned};
use twostep_domain::{challenge::Sealed, random};

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnsealError {
    #[error("sealed under a data key that is not in the key ring")]
    UnknownKey,
    #[error("not sealed by this service, or sealed for another context")]
    Broken,
}

/// One AES-256 key of the keys secret.
pub struct DataKey {
    pub id: String,
    key: LessSafeKey,
}

impl DataKey {
    /// # Errors
    /// [`UnsealError::Broken`] unless `bytes` are 256 bits long.
    pub fn new(id: String, bytes: &SecretSlice<u8>) -> Result<Self, UnsealError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes.expose_secret()).map_err(|_| UnsealError::Broken)?;
        Ok(Self { id, key: LessSafeKey::new(key) })
    }

    /// Seals `value` for one `place` (a table key, a kind of token); it opens nowhere else. Nonces are 96 random bits, and
    /// a data key is rotated long before 2³² of them are drawn (NIST SP 800-38D §8.3).
    pub fn seal(&self, place: &str, value: &impl Serialize, rng: &mut dyn CryptoRng) -> Sealed {
        let nonce: [u8; NONCE_LEN] = random::bytes(rng);
        let mut sealed = serde_json::to_vec(value).expect("payloads have string keys only");
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place.as_bytes()), &mut sealed)
            .expect("payloads are far below the limit of AES-GCM");
        let bytes = [nonce.as_slice(), &sealed].concat();
        Sealed(format!("{}.{}", self.id, URL_SAFE_NO_PAD.encode(bytes)))
    }

    fn open<T: DeserializeOwned>(&self, place: &str, body: &str) -> Result<T, UnsealError> {
        let mut bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| UnsealError::Broken)?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN).ok_or(UnsealError::Broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| UnsealError::Broken)?;
        let plain =
            self.key.open_in_place(nonce, Aad::from(place.as_bytes()), sealed).map_err(|_| UnsealError::Broken)?;
        serde_json::from_slice(plain).map_err(|_| UnsealError::Broken)
    }
}

/// Opens what one of `keys` has sealed for `place`.
///
/// # Errors
/// [`UnsealError`] if none of `keys` made it, or if it was made for another place.
pub fn open<'a, T: DeserializeOwned>(
    sealed: &Sealed,
    keys: impl IntoIterator<Item = &'a DataKey>,
    place: &str,
) -> Result<T, UnsealError> {
    let (id, body) = sealed.0.split_once('.').ok_or(UnsealError::Broken)?;
    let key = keys.into_iter().find(|key| key.id == id).ok_or(UnsealError::UnknownKey)?;
    key.open(place, body)
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn key(id: &str, byte: u8) -> DataKey {
        DataKey::new(id.into(), &vec![byte; 32].into()).unwrap()
    }

    #[test]
    fn a_sealed_value_opens_only_in_its_place_and_with_its_key() {
        let mut rng = StdRng::seed_from_u64(1);
        let sealed = key("a", 1).seal("here", &"secret words", &mut rng);
        assert!(!sealed.0.contains("secret"));
        assert_eq!(open::<String>(&sealed, &[key("b", 2), key("a", 1)], "here").unwrap(), "secret words");
        assert_eq!(open::<String>(&sealed, &[key("a", 1)], "there"), Err(UnsealError::Broken));
        assert_eq!(open::<String>(&sealed, &[key("b", 1)], "here"), Err(UnsealError::UnknownKey));
        assert_eq!(open::<String>(&sealed, &[key("a", 2)], "here"), Err(UnsealError::Broken));
    }

    #[test]
    fn noise_does_not_open() {
        for noise in ["", "a", "a.", "a.AAAA", "a.!!!!", ".", "a.b.c"] {
            assert!(open::<String>(&Sealed(noise.into()), &[key("a", 1)], "here").is_err(), "{noise}");
        }
    }
}
