//! An opaque token: 256 random bits that a client keeps and the table knows only by their hash.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::CryptoRng;
use twostep_domain::random;

use crate::constant_time;

/// The secret part of refresh tokens and device tokens. There is no `Debug`, so it cannot be printed.
pub struct OpaqueToken([u8; Self::BYTES]);

impl OpaqueToken {
    pub const BYTES: usize = 32;

    #[must_use]
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        Self(random::bytes(rng))
    }

    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Reads the base64url form; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The base64url form, for the response that delivers the token and for nothing else.
    #[must_use]
    pub fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What tables keep: SHA-256 in base64url. 256 random bits need no salt and no slow hash.
    #[must_use]
    pub fn hash(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.0))
    }

    /// Compares with a stored hash in constant time.
    #[must_use]
    pub fn has_hash(&self, stored: &str) -> bool {
        constant_time::equal(stored, self.hash())
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn a_token_is_read_back_and_its_hash_does_not_show_it() {
        let token = OpaqueToken::random(&mut StdRng::seed_from_u64(1));
        let read = OpaqueToken::parse(&token.expose()).unwrap();
        assert_eq!(read.as_bytes(), token.as_bytes());
        assert!(token.has_hash(&read.hash()) && !token.has_hash(&token.expose()));
        for noise in ["", "abc", &"A".repeat(42), &"!".repeat(43), &"A".repeat(10_000)] {
            assert!(OpaqueToken::parse(noise).is_none());
        }
    }
}
