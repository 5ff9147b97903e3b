//! The secret with which the edge proves that a request came through it. Functions know only hashes: they are in their
//! configuration, which more people can read than secrets.

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use crate::constant_time;

/// The hashes of the accepted secrets: none without an edge, and two while a secret is replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginSecrets(Vec<[u8; SHA256_OUTPUT_LEN]>);

impl OriginSecrets {
    /// Reads SHA-256 hashes in lowercase hexadecimal, separated by commas. `None` if one is malformed.
    #[must_use]
    pub fn parse(hashes: &str) -> Option<Self> {
        hashes.split(',').filter(|hash| !hash.is_empty()).map(hash).collect::<Option<Vec<_>>>().map(Self)
    }

    /// Whether requests need a secret.
    #[must_use]
    pub fn are_required(&self) -> bool {
        !self.0.is_empty()
    }

    #[must_use]
    pub fn accept(&self, given: &[u8]) -> bool {
        let given = digest(&SHA256, given);
        // A fold, so that the time doesn't depend on which one is equal.
        self.0.iter().fold(false, |accepted, hash| accepted | constant_time::equal(hash, given.as_ref()))
    }
}

fn hash(text: &str) -> Option<[u8; SHA256_OUTPUT_LEN]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * SHA256_OUTPUT_LEN {
        return None;
    }
    let mut hash = [0; SHA256_OUTPUT_LEN];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = 16 * nibble(pair[0])? + nibble(pair[1])?;
    }
    Some(hash)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of "abc" and of the empty string (FIPS 180-4's examples, and its initial case).
    const OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn only_secrets_with_one_of_the_hashes_are_accepted() {
        let one = OriginSecrets::parse(OF_ABC).unwrap();
        assert!(one.are_required() && one.accept(b"abc"));
        assert!(!one.accept(b"abd") && !one.accept(b"") && !one.accept(OF_ABC.as_bytes()));
        let two = OriginSecrets::parse(&format!("{OF_NOTHING},{OF_ABC}")).unwrap();
        assert!(two.accept(b"abc") && two.accept(b""));
        assert!(!two.accept(b"abd"));
    }

    #[test]
    fn without_hashes_nothing_is_required_and_nothing_accepted() {
        let none = OriginSecrets::parse("").unwrap();
        assert!(!none.are_required() && !none.accept(b""));
    }

    #[test]
    fn anything_but_hashes_is_malformed() {
        let upper = OF_ABC.to_uppercase();
        for wrong in ["abc", &OF_ABC[1..], &format!("{OF_ABC},x"), &upper, &OF_ABC.replace('a', "g")] {
            assert_eq!(OriginSecrets::parse(wrong), None, "{wrong}");
        }
    }
}
