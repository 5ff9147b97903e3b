//! Refresh tokens: each belongs to a family, which is a session.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::CryptoRng;
use twostep_domain::{ids::SessionId, random};

use crate::opaque_token::OpaqueToken;

const FAMILY_BYTES: usize = 16;

/// `base64url(family ‖ secret)`, 128 and 256 random bits. The table knows only a hash of each.
pub struct RefreshToken {
    family: [u8; FAMILY_BYTES],
    secret: OpaqueToken,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a valid refresh token")]
pub struct InvalidRefreshToken;

impl RefreshToken {
    const LENGTH: usize = 64;

    /// The first token of a new family.
    #[must_use]
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        Self { family: random::bytes(rng), secret: OpaqueToken::random(rng) }
    }

    /// The next token of the same family.
    #[must_use]
    pub fn successor(&self, rng: &mut dyn CryptoRng) -> Self {
        Self { family: self.family, secret: OpaqueToken::random(rng) }
    }

    /// # Errors
    /// [`InvalidRefreshToken`] unless it has the form of one.
    pub fn parse(token: &str) -> Result<Self, InvalidRefreshToken> {
        if token.len() != Self::LENGTH {
            return Err(InvalidRefreshToken);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| InvalidRefreshToken)?;
        let (family, secret) = bytes.split_first_chunk().ok_or(InvalidRefreshToken)?;
        let secret = secret.try_into().map_err(|_| InvalidRefreshToken)?;
        Ok(Self { family: *family, secret: OpaqueToken::from_bytes(secret) })
    }

    /// The text of the token, for the response that delivers it and for nothing else.
    #[must_use]
    pub fn expose(&self) -> String {
        let mut bytes = self.family.to_vec();
        bytes.extend_from_slice(self.secret.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The session of this family. The id cannot be turned back into a token.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        let hash = digest(&SHA256, &self.family);
        SessionId::from_stored(URL_SAFE_NO_PAD.encode(&hash.as_ref()[..FAMILY_BYTES]))
    }

    /// The hash of the secret half, which tells this token from others of its family.
    #[must_use]
    pub fn secret_hash(&self) -> String {
        self.secret.hash()
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn a_token_is_read_back_and_what_is_stored_does_not_give_it_away() {
        let token = RefreshToken::random(&mut StdRng::seed_from_u64(1));
        let text = token.expose();
        let read = RefreshToken::parse(&text).unwrap();
        assert_eq!((read.session_id(), read.secret_hash()), (token.session_id(), token.secret_hash()));
        let stored = format!("{} {}", token.session_id().as_str(), token.secret_hash());
        assert!(!stored.contains(&text[..21]) && !stored.contains(&text[22..]));
    }

    #[test]
    fn a_successor_is_another_token_of_the_same_session() {
        let mut rng = StdRng::seed_from_u64(1);
        let token = RefreshToken::random(&mut rng);
        let next = token.successor(&mut rng);
        assert_eq!(next.session_id(), token.session_id());
        assert_ne!(next.secret_hash(), token.secret_hash());
    }

    #[test]
    fn noise_is_not_a_token() {
        for noise in ["", "abc", &"A".repeat(63), &"!".repeat(64), &"A".repeat(10_000)] {
            assert!(RefreshToken::parse(noise).is_err());
        }
    }
}
