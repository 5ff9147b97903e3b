//! The keys secret as Secrets Manager stores it.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    jwk::{Jwk, PublicKeyUse},
};
use rand::CryptoRng;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::{Deserialize, Serialize};
use twostep_domain::{random, time::Timestamp};

use super::{Dated, KeyRing, KeysError, SigningKey};
use crate::{pepper::Pepper, sealing::DataKey};

/// Bytes are in base64; keys are in the order of use.
#[derive(Serialize, Deserialize)]
pub struct KeysSecret {
    pub(super) pepper: String,
    pub(super) data_keys: Vec<DataKeyEntry>,
    pub(super) signing_keys: Vec<SigningKeyEntry>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DataKeyEntry {
    pub id: String,
    pub use_from: Timestamp,
    key: String,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SigningKeyEntry {
    pub id: String,
    pub use_from: Timestamp,
    /// PKCS#8 in PEM.
    private_key: String,
}

impl KeysSecret {
    /// What the template puts into the secret so that it can be rotated.
    pub const PLACEHOLDER: &'static str = "{}";

    /// A pepper, one data key and one signing key, in use from `now`.
    ///
    /// # Errors
    /// [`KeysError::Malformed`] if no RSA key can be generated.
    pub fn first(now: Timestamp, rng: &mut dyn CryptoRng) -> Result<Self, KeysError> {
        Ok(Self {
            pepper: STANDARD.encode(random::bytes::<32>(rng)),
            data_keys: vec![DataKeyEntry::random(now, rng)],
            signing_keys: vec![SigningKeyEntry::random(now, rng)?],
        })
    }

    /// # Errors
    /// [`KeysError`]
    pub fn parse(secret: &SecretString) -> Result<Self, KeysError> {
        if secret.expose_secret().trim() == Self::PLACEHOLDER {
            return Err(KeysError::NotCreated);
        }
        let mut secret: Self =
            serde_json::from_str(secret.expose_secret()).map_err(|_| KeysError::Malformed("not the expected JSON"))?;
        if secret.data_keys.is_empty() || secret.signing_keys.is_empty() {
            return Err(KeysError::Malformed("at least one key of each kind"));
        }
        secret.data_keys.sort_by_key(|key| key.use_from);
        secret.signing_keys.sort_by_key(|key| key.use_from);
        Ok(secret)
    }

    #[must_use]
    pub fn write(&self) -> SecretString {
        serde_json::to_string(self).expect("a struct of strings").into()
    }

    /// # Errors
    /// [`KeysError::Malformed`], naming the part.
    pub fn ring(&self) -> Result<KeyRing, KeysError> {
        Ok(KeyRing {
            pepper: Pepper::new(&bytes(&self.pepper, "pepper")?),
            data_keys: self.data_keys.iter().map(DataKeyEntry::key).collect::<Result<_, _>>()?,
            signing_keys: self.signing_keys.iter().map(SigningKeyEntry::key).collect::<Result<_, _>>()?,
        })
    }
}

impl DataKeyEntry {
    pub fn random(use_from: Timestamp, rng: &mut dyn CryptoRng) -> Self {
        Self { id: random::identifier(rng), use_from, key: STANDARD.encode(random::bytes::<32>(rng)) }
    }

    fn key(&self) -> Result<Dated<DataKey>, KeysError> {
        let key: SecretSlice<u8> = bytes(&self.key, "data_keys")?.into();
        let key = DataKey::new(self.id.clone(), &key).map_err(|_| KeysError::Malformed("data_keys"))?;
        Ok(Dated { use_from: self.use_from, key })
    }
}

impl SigningKeyEntry {
    /// A 2048-bit RSA key.
    pub fn random(use_from: Timestamp, rng: &mut dyn CryptoRng) -> Result<Self, KeysError> {
        let rsa = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeysError::Malformed("no RSA key could be made"))?;
        let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&rsa).map_err(|_| KeysError::Malformed("no PKCS#8 form"))?;
        Ok(Self { id: random::identifier(rng), use_from, private_key: pem(pkcs8.as_ref()) })
    }

    /// The same key at another time of use, for tests that need many rings and no new primes.
    #[cfg(test)]
    pub fn again(&self, use_from: Timestamp, rng: &mut dyn CryptoRng) -> Self {
        Self { id: random::identifier(rng), use_from, private_key: self.private_key.clone() }
    }

    fn key(&self) -> Result<Dated<SigningKey>, KeysError> {
        let malformed = |_| KeysError::Malformed("signing_keys");
        let private = EncodingKey::from_rsa_pem(self.private_key.as_bytes()).map_err(malformed)?;
        let mut jwk = Jwk::from_encoding_key(&private, Algorithm::RS256).map_err(malformed)?;
        jwk.common.key_id = Some(self.id.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let public = DecodingKey::from_jwk(&jwk).map_err(malformed)?;
        Ok(Dated { use_from: self.use_from, key: SigningKey { id: self.id.clone(), private, public, jwk } })
    }
}

/// RFC 7468 §10.
fn pem(pkcs8: &[u8]) -> String {
    let body = STANDARD.encode(pkcs8);
    let lines: Vec<&str> = body.as_bytes().chunks(64).filter_map(|line| str::from_utf8(line).ok()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

fn bytes(base64: &str, part: &'static str) -> Result<Vec<u8>, KeysError> {
    STANDARD.decode(base64).map_err(|_| KeysError::Malformed(part))
}
