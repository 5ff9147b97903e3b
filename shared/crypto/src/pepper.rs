//! The pepper: a key that hides names in tables and authenticates challenge ids.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::sealing::DataKey;

/// HMAC-SHA-256 under a key that is never rotated: it names challenges, and a new one would lose their counts.
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

    #[must_use]
    pub fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, message, tag).is_ok()
    }

    /// The key that seals what is kept for as long as its account: unlike a data key, it is never rotated.
    #[must_use]
    pub(crate) fn data_key(&self) -> DataKey {
        let bytes = self.authenticate(b"data-key|kept").as_ref().to_vec();
        DataKey::new("kept".to_owned(), &bytes.into()).expect("256 bits")
    }

    /// A table key under which `name` can be counted without being shown. `kind` keeps names of different kinds apart.
    #[must_use]
    pub fn hide(&self, kind: &str, name: &str) -> String {
        self.hide_bytes(kind, name.as_bytes())
    }

    /// The same for bytes.
    #[must_use]
    pub fn hide_bytes(&self, kind: &str, bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.authenticate(&[kind.as_bytes(), b"|", bytes].concat()))
    }
}
