//! Recovery codes: how a user signs in without the phone. There are ten; each works once and is stored as a keyed hash.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::CryptoRng;
use twostep_domain::{digits, ids::UserId, invisible, random};

use crate::{constant_time, pepper::Pepper};

pub const COUNT: usize = 10;

/// Sixteen letters and digits in four groups, 80 random bits (NIST SP 800-63B-4 §3.1.2 asks for 64 where guesses are
/// not limited). Crockford's base 32: no letter looks like a digit.
pub struct RecoveryCode(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a valid recovery code")]
pub struct InvalidRecoveryCode;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 16;

/// Bytes: room for separators of three bytes around every character.
const LONGEST_INPUT: usize = 8 * LENGTH;

impl RecoveryCode {
    #[must_use]
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        let bytes: [u8; LENGTH] = random::bytes(rng);
        Self(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
    }

    /// Accepts the code with any dashes, spaces and line breaks, in either case, with digits of any script and with letters that look
    /// like its digits.
    ///
    /// # Errors
    /// [`InvalidRecoveryCode`] unless it has the form of one.
    pub fn parse(input: &str) -> Result<Self, InvalidRecoveryCode> {
        if input.len() > LONGEST_INPUT {
            return Err(InvalidRecoveryCode);
        }
        let code: Option<String> = input
            .chars()
            .filter(|c| !is_separator(*c))
            .map(|c| match digits::ascii(c).unwrap_or(c).to_ascii_uppercase() {
                'O' => Some('0'),
                'I' | 'L' => Some('1'),
                c => ALPHABET.iter().any(|letter| char::from(*letter) == c).then_some(c),
            })
            .collect();
        code.filter(|code| code.len() == LENGTH).map(Self).ok_or(InvalidRecoveryCode)
    }

    /// What the table stores. It is keyed and bound to the account, so a copy of the table is of no use.
    #[must_use]
    pub fn hash(&self, pepper: &Pepper, user: &UserId) -> String {
        let name = format!("recovery-code|{}|{}", user.as_str(), self.0);
        URL_SAFE_NO_PAD.encode(pepper.authenticate(name.as_bytes()))
    }

    /// The code, for the response that delivers it and for nothing else.
    #[must_use]
    pub fn expose(&self) -> String {
        self.0.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-")
    }
}

/// White space, invisible marks, and everything that looks like a dash.
fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || invisible::is_invisible(c)
        || matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' | '_')
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(…)")
    }
}

/// A new set: the codes to show once, and the hashes to store.
#[must_use]
pub fn fresh_set(pepper: &Pepper, user: &UserId, rng: &mut dyn CryptoRng) -> (Vec<String>, Vec<String>) {
    (0..COUNT)
        .map(|_| {
            let code = RecoveryCode::random(rng);
            (code.expose(), code.hash(pepper, user))
        })
        .unzip()
}

/// The index of the code's hash in `stored`. It compares with every entry in constant time.
#[must_use]
pub fn position(stored: &[String], hash: &str) -> Option<usize> {
    let mut found = None;
    for (index, candidate) in stored.iter().enumerate() {
        if constant_time::equal(candidate, hash) {
            found = Some(index);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn a_code_is_recognised_in_every_spelling_and_only_for_its_account() {
        let pepper = Pepper::new(&[1; 32]);
        let (ann, bob) = (UserId::from_stored("ann"), UserId::from_stored("bob"));
        let (codes, kept) = fresh_set(&pepper, &ann, &mut StdRng::seed_from_u64(1));
        assert_eq!((codes.len(), codes[0].len()), (COUNT, 19));
        let hash = |text: &str, user| RecoveryCode::parse(text).unwrap().hash(&pepper, user);
        assert_eq!(position(&kept, &hash(&codes[3], &ann)), Some(3));
        let written = codes[3].to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        assert_eq!(position(&kept, &hash(&written, &ann)), Some(3));
        for dash in ["", " – ", "\u{2011}", "\r\n", "\u{a0}", "\t-\t"] {
            assert_eq!(
                position(&kept, &hash(&format!("\u{200e}{}\n", codes[3].replace('-', dash)), &ann)),
                Some(3),
                "{dash:?}"
            );
        }
        assert_eq!(position(&kept, &hash(&codes[3], &bob)), None);
    }

    #[test]
    fn noise_is_not_a_recovery_code() {
        for noise in [
            "",
            "123456",
            "UUUU-UUUU-UUUU-UUUU",
            &"0".repeat(15),
            &"0".repeat(17),
            &"0".repeat(10_000),
            "½000-0000-0000-0000",
        ] {
            assert_eq!(RecoveryCode::parse(noise).unwrap_err(), InvalidRecoveryCode);
        }
    }
}
