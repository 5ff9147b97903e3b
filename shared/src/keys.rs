//! The keys secret: what signs tokens, seals payloads and hides names.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    hmac,
    rsa::{KeyPair, KeySize},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    jwk::{Jwk, PublicKeyUse},
};
use rand::CryptoRng;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    challenge::{
        Sealed,
        payload::{DataKey, UnsealError},
    },
    clock::Timestamp,
    entropy,
    secrets::{CachedSecret, SecretError},
};

/// A key that is never rotated: it names challenges, and a new one would lose their counts.
pub struct Pepper(hmac::Key);

impl Pepper {
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    #[must_use]
    pub fn authenticate(&self, message: &[u8]) -> hmac::Tag {
        hmac::sign(&self.0, message)
    }

    /// A name under which `name` can be counted without being told. `kind` keeps names of one kind apart from another's.
    #[must_use]
    pub fn hide(&self, kind: &str, name: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.authenticate(format!("{kind}|{name}").as_bytes()))
    }

    #[must_use]
    pub fn hmac_key(&self) -> &hmac::Key {
        &self.0
    }
}

/// One RSA key for access tokens.
pub struct SigningKey {
    pub id: String,
    pub use_from: Timestamp,
    pub private: EncodingKey,
    pub public: DecodingKey,
    pub jwk: Jwk,
}

/// Everything in the keys secret, parsed.
pub struct KeyRing {
    pub pepper: Pepper,
    data_keys: Vec<DataKey>,
    signing_keys: Vec<SigningKey>,
}

/// The keys secret as it is written; bytes are in base64.
#[derive(Serialize, Deserialize)]
struct KeysSecret {
    pepper: String,
    data_keys: Vec<DataKeyEntry>,
    signing_keys: Vec<SigningKeyEntry>,
}

#[derive(Serialize, Deserialize)]
struct DataKeyEntry {
    id: String,
    key: String,
}

#[derive(Serialize, Deserialize)]
struct SigningKeyEntry {
    id: String,
    use_from: Timestamp,
    /// PKCS#8 in PEM.
    private_key: String,
}

impl KeyRing {
    /// Makes the text of a new keys secret: a pepper, one data key, one 2048-bit RSA key, in use from `now`.
    ///
    /// # Errors
    /// [`SecretError::Malformed`] when the machine cannot make an RSA key.
    pub fn generate(now: Timestamp, rng: &mut dyn CryptoRng) -> Result<SecretString, SecretError> {
        let rsa =
            KeyPair::generate(KeySize::Rsa2048).map_err(|_| SecretError::Malformed("no RSA key could be made"))?;
        let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&rsa).map_err(|_| SecretError::Malformed("no PKCS#8 form"))?;
        let secret = KeysSecret {
            pepper: STANDARD.encode(entropy::bytes::<32>(rng)),
            data_keys: vec![DataKeyEntry {
                id: entropy::identifier(rng),
                key: STANDARD.encode(entropy::bytes::<32>(rng)),
            }],
            signing_keys: vec![SigningKeyEntry {
                id: entropy::identifier(rng),
                use_from: now,
                private_key: pem(pkcs8.as_ref()),
            }],
        };
        Ok(serde_json::to_string(&secret).expect("a struct of strings").into())
    }

    /// # Errors
    /// [`SecretError::Malformed`], naming the part.
    pub fn parse(secret: &SecretString) -> Result<Self, SecretError> {
        let secret: KeysSecret = serde_json::from_str(secret.expose_secret())
            .map_err(|_| SecretError::Malformed("not the expected JSON"))?;
        let data_keys = secret.data_keys.iter().map(DataKeyEntry::parse).collect::<Result<Vec<_>, _>>()?;
        let mut signing_keys = secret.signing_keys.iter().map(SigningKeyEntry::parse).collect::<Result<Vec<_>, _>>()?;
        signing_keys.sort_by_key(|key| key.use_from);
        if data_keys.is_empty() || signing_keys.is_empty() {
            return Err(SecretError::Malformed("at least one key of each kind"));
        }
        Ok(Self { pepper: Pepper::new(&bytes(&secret.pepper, "pepper")?), data_keys, signing_keys })
    }

    /// Seals under the newest data key.
    pub fn seal(&self, place: &str, value: &impl Serialize, rng: &mut dyn CryptoRng) -> Sealed {
        self.data_keys[0].seal(place, value, rng)
    }

    /// # Errors
    /// [`UnsealError`] when it was not sealed here, or not for this place.
    pub fn open<T: DeserializeOwned>(&self, place: &str, sealed: &Sealed) -> Result<T, UnsealError> {
        sealed.open(&self.data_keys, place)
    }

    /// The newest key that is already in use.
    #[must_use]
    pub fn signing_key(&self, now: Timestamp) -> &SigningKey {
        self.signing_keys.iter().rfind(|key| key.use_from <= now).unwrap_or(&self.signing_keys[0])
    }

    #[must_use]
    pub fn signing_key_by_id(&self, id: &str) -> Option<&SigningKey> {
        self.signing_keys.iter().find(|key| key.id == id)
    }

    /// The public keys, as JWKS publishes them.
    pub fn jwks(&self) -> impl Iterator<Item = &Jwk> {
        self.signing_keys.iter().map(|key| &key.jwk)
    }
}

impl DataKeyEntry {
    fn parse(&self) -> Result<DataKey, SecretError> {
        let key: SecretSlice<u8> = bytes(&self.key, "data_keys")?.into();
        DataKey::new(self.id.clone(), &key).map_err(|_| SecretError::Malformed("data_keys"))
    }
}

impl SigningKeyEntry {
    fn parse(&self) -> Result<SigningKey, SecretError> {
        let malformed = |_| SecretError::Malformed("signing_keys");
        let private = EncodingKey::from_rsa_pem(self.private_key.as_bytes()).map_err(malformed)?;
        let mut jwk = Jwk::from_encoding_key(&private, Algorithm::RS256).map_err(malformed)?;
        jwk.common.key_id = Some(self.id.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let public = DecodingKey::from_jwk(&jwk).map_err(malformed)?;
        Ok(SigningKey { id: self.id.clone(), use_from: self.use_from, private, public, jwk })
    }
}

/// RFC 7468 §10.
fn pem(pkcs8: &[u8]) -> String {
    let body = STANDARD.encode(pkcs8);
    let lines: Vec<&str> = body.as_bytes().chunks(64).filter_map(|line| str::from_utf8(line).ok()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

fn bytes(base64: &str, part: &'static str) -> Result<Vec<u8>, SecretError> {
    STANDARD.decode(base64).map_err(|_| SecretError::Malformed(part))
}

/// The keys secret, read when it is first needed.
pub type Keys = CachedSecret<KeyRing>;

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn generated_keys_parse_and_a_key_signs_only_from_its_time_on() {
        let mut rng = StdRng::seed_from_u64(1);
        let secret = KeyRing::generate(Timestamp(100), &mut rng).unwrap();
        let later = KeyRing::generate(Timestamp(200), &mut rng).unwrap();
        let mut merged: KeysSecret = serde_json::from_str(secret.expose_secret()).unwrap();
        let newer: KeysSecret = serde_json::from_str(later.expose_secret()).unwrap();
        merged.signing_keys.extend(newer.signing_keys);
        let ring = KeyRing::parse(&serde_json::to_string(&merged).unwrap().into()).unwrap();
        assert_eq!(ring.signing_key(Timestamp(199)).id, merged.signing_keys[0].id);
        assert_eq!(ring.signing_key(Timestamp(200)).id, merged.signing_keys[1].id);
        assert_eq!(ring.jwks().count(), 2, "a key is published before its first use");
    }

    #[test]
    fn a_malformed_secret_names_the_part_and_nothing_of_its_content() {
        for wrong in ["", "{}", r#"{"pepper":"AA==","data_keys":[],"signing_keys":[]}"#] {
            assert!(matches!(KeyRing::parse(&wrong.to_owned().into()), Err(SecretError::Malformed(_))));
        }
    }
}
