//! What a challenge carries sealed: the code, the number it goes to, and what the start saw of the account.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::CryptoRng;
use secrecy::{ExposeSecret, SecretSlice};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    clock::Timestamp, code::Code, entropy, language::Language, phone::PhoneNumber, spending::breaker::Recipient,
    users::Holder,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    Register,
    Login,
    SecondStep,
    Profile,
    /// No question at all: the owner of a number is told that it was taken out of an account.
    Notice,
}

impl Purpose {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Login => "login",
            Self::SecondStep => "second_step",
            Self::Profile => "profile",
            Self::Notice => "notice",
        }
    }
}

/// Stored only as [`Sealed`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Payload {
    pub code: Code,
    pub phone: PhoneNumber,
    pub purpose: Purpose,
    /// The account as the start saw it: whose number it was (`login`; none for a decoy), or who asks (`profile`). The
    /// transaction that uses the code proves that it still holds, which saves a read in between.
    pub account: Option<Holder>,
    /// `profile`: the number to be given up.
    pub former_phone: Option<PhoneNumber>,
    /// `profile`: the session that asks, which outlives the change.
    pub session: Option<String>,
    /// `profile`: the account has a password and no second step yet, so recovery codes come with the number.
    #[serde(default)]
    pub turns_two_step_on: bool,
    /// `profile`: the session began with a password, so the code makes it one of two steps.
    #[serde(default)]
    pub after_password: bool,
    /// What the message is written in: the language of the request that made this code.
    #[serde(default)]
    pub language: Language,
}

impl Payload {
    /// Whom the message goes to, as far as its start knew.
    #[must_use]
    pub fn recipient(&self, now: Timestamp) -> Recipient {
        let holder = || self.account.as_ref().map_or(Recipient::New, |holder| Recipient::proven(holder.proven_at, now));
        match self.purpose {
            // A number that is told of its own removal was proven before.
            Purpose::Notice => Recipient::Established,
            Purpose::Login | Purpose::SecondStep => holder(),
            Purpose::Profile if self.former_phone.as_ref() == Some(&self.phone) => holder(),
            Purpose::Register | Purpose::Profile => Recipient::New,
        }
    }
}

/// `<data key id>.<base64url(nonce ‖ AES-256-GCM ciphertext ‖ tag)>`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub(crate) String);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(…)")
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnsealError {
    #[error("sealed with an unknown data key")]
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
    /// [`UnsealError::Broken`] unless `bytes` are 256 bits.
    pub fn new(id: String, bytes: &SecretSlice<u8>) -> Result<Self, UnsealError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes.expose_secret()).map_err(|_| UnsealError::Broken)?;
        Ok(Self { id, key: LessSafeKey::new(key) })
    }

    /// Seals `value` for one `place` (a table key, a kind of token): it opens nowhere else. Nonces are 96 random bits;
    /// a data key is rotated long before 2³² of them are drawn (NIST SP 800-38D §8.3).
    pub fn seal(&self, place: &str, value: &impl Serialize, rng: &mut dyn CryptoRng) -> Sealed {
        let nonce: [u8; NONCE_LEN] = entropy::bytes(rng);
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

impl Sealed {
    /// # Errors
    /// [`UnsealError`] when none of `keys` made it, or when it was made for another place.
    pub fn open<'a, T: DeserializeOwned>(
        &self,
        keys: impl IntoIterator<Item = &'a DataKey>,
        place: &str,
    ) -> Result<T, UnsealError> {
        let (id, body) = self.0.split_once('.').ok_or(UnsealError::Broken)?;
        let key = keys.into_iter().find(|key| key.id == id).ok_or(UnsealError::UnknownKey)?;
        key.open(place, body)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn key(id: &str, byte: u8) -> DataKey {
        DataKey::new(id.into(), &vec![byte; 32].into()).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_with_its_key_only() {
        let mut rng = StdRng::seed_from_u64(1);
        let sealed = key("a", 1).seal("here", &"secret words", &mut rng);
        assert!(!sealed.0.contains("secret"));
        assert_eq!(sealed.open::<String>(&[key("b", 2), key("a", 1)], "here").unwrap(), "secret words");
        assert_eq!(sealed.open::<String>(&[key("a", 1)], "there"), Err(UnsealError::Broken));
        assert_eq!(sealed.open::<String>(&[key("b", 1)], "here"), Err(UnsealError::UnknownKey));
        assert_eq!(sealed.open::<String>(&[key("a", 2)], "here"), Err(UnsealError::Broken));
    }

    #[test]
    fn noise_does_not_open() {
        for noise in ["", "a", "a.", "a.AAAA", "a.!!!!", ".", "a.b.c"] {
            assert!(Sealed(noise.into()).open::<String>(&[key("a", 1)], "here").is_err(), "{noise}");
        }
    }
}
