//! The pepper: a key that hides names in tables and authenticates challenge ids.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

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

    /// A table key under which `name` can be counted without being shown. `kind` keeps names of different kinds apart.
    #[must_use]
    pub fn hide(&self, kind: &str, name: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.authenticate(format!("{kind}|{name}").as_bytes()))
    }
}
