//! The one-time code that a message carries.

use std::fmt;

use rand::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::{digits, random};

/// Six decimal digits, uniform over 000000–999999 (NIST SP 800-63B-4 §3.1.3.2). Its `Debug` does not show it; compare
/// with `twostep_crypto::constant_time`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OneTimeCode(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a code must have exactly {} digits", OneTimeCode::LENGTH)]
pub struct InvalidCode;

impl OneTimeCode {
    pub const LENGTH: usize = 6;
    const VALUES: u32 = 1_000_000;

    /// Draws a code. Values past the last whole multiple of a million are drawn again, so that all codes are equally likely.
    #[must_use]
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        const LIMIT: u32 = u32::MAX - u32::MAX % OneTimeCode::VALUES;
        loop {
            let drawn = u32::from_le_bytes(random::bytes(rng));
            if drawn < LIMIT {
                return Self(format!("{:06}", drawn % Self::VALUES));
            }
        }
    }

    /// Accepts exactly six digits, of any script.
    ///
    /// # Errors
    /// [`InvalidCode`] for anything else.
    pub fn parse(input: &str) -> Result<Self, InvalidCode> {
        // One more, so that a long input isn't read to its end.
        let code: Option<String> = input.chars().take(Self::LENGTH + 1).map(digits::ascii).collect();
        code.filter(|code| code.len() == Self::LENGTH).map(Self).ok_or(InvalidCode)
    }

    /// The digits, for the message that delivers them and for the comparison with what was entered.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode(…)")
    }
}

impl TryFrom<String> for OneTimeCode {
    type Error = InvalidCode;

    fn try_from(value: String) -> Result<Self, Self::Error> {
        Self::parse(&value)
    }
}

impl From<OneTimeCode> for String {
    fn from(code: OneTimeCode) -> Self {
        code.0
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn only_six_digits_are_a_code() {
        for right in ["012345", "٠١٢٣٤٥", "۰۱۲۳۴۵", "०१२३४५", "０１２３４５"] {
            assert_eq!(OneTimeCode::parse(right).unwrap().expose(), "012345", "{right}");
        }
        for wrong in
            ["", "12345", "1234567", "12345a", "٠١٢٣٤", " 12345", "+12345", "12 345", "12345½", "12345\u{200e}"]
        {
            assert_eq!(OneTimeCode::parse(wrong).unwrap_err(), InvalidCode, "{wrong:?}");
        }
    }

    #[test]
    fn codes_are_spread_evenly_and_keep_their_leading_zeros() {
        let mut rng = StdRng::seed_from_u64(7);
        let mut first_digits = [0_u32; 10];
        for _ in 0..100_000 {
            let code = OneTimeCode::random(&mut rng);
            assert_eq!(code.expose().len(), OneTimeCode::LENGTH);
            first_digits[usize::from(code.expose().as_bytes()[0] - b'0')] += 1;
        }
        // 10,000 expected each, standard deviation 95: six of them either way.
        assert!(first_digits.iter().all(|seen| (9_430..=10_570).contains(seen)), "{first_digits:?}");
    }

    #[test]
    fn a_code_cannot_be_printed() {
        assert_eq!(format!("{:?}", OneTimeCode::parse("123456").unwrap()), "OneTimeCode(…)");
    }
}
