//! Randomness as a parameter: whatever needs it takes a `&mut dyn CryptoRng`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::CryptoRng;

#[must_use]
pub fn bytes<const N: usize>(rng: &mut dyn CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// 128 random bits in base64url: an identifier that cannot be guessed.
#[must_use]
pub fn identifier(rng: &mut dyn CryptoRng) -> String {
    URL_SAFE_NO_PAD.encode(bytes::<16>(rng))
}
