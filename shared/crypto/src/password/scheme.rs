//! Password hashes that other software made, so that accounts can move in. Each is stored as the text that its software
//! wrote, and the first right password replaces it.
//!
//! The costs in a hash come from outside, so they are bounded where a hash is parsed: at its import and at each sign-in.

use std::num::NonZeroU32;

use argon2::{Argon2, Params, password_hash::PasswordVerifier as _, password_hash::phc};
use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac, pbkdf2};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use md5::{Digest as _, Md5};
use twostep_domain::account::user::PasswordHash;

/// The software's family, as the import names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum HashKind {
    /// A PHC string of any variant.
    #[strum(serialize = "argon2")]
    Argon2,
    /// Also those of WordPress since 6.8 (`$wp$2y$…`), which hashes the password before.
    Bcrypt,
    /// A PHC string.
    Scrypt,
    /// A PHC string, with the iterations as passlib or RustCrypto write them.
    #[strum(serialize = "pbkdf2")]
    Pbkdf2,
    /// `pbkdf2_sha256$…`
    Django,
    /// `$P$…`, as WordPress wrote them before 6.8, or `$H$…` (phpBB).
    Phpass,
    /// HMAC with a key of the site, as Kohana makes it.
    #[strum(serialize = "hmac_sha256")]
    HmacSha256,
}

/// Not a hash of its kind, or one that costs more than a sign-in may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password hash is malformed, or too costly")]
pub struct InvalidHash;

/// A hash with everything that its verification needs.
enum Scheme<'a> {
    Argon2(Box<phc::PasswordHash>),
    Bcrypt(&'a str),
    WordPress(&'a str),
    Scrypt { params: scrypt::Params, salt: Vec<u8>, hash: Vec<u8> },
    Pbkdf2 { algorithm: pbkdf2::Algorithm, iterations: NonZeroU32, salt: Vec<u8>, hash: Vec<u8> },
    Phpass { rounds: u32, salt: &'a str, hash: &'a str },
    Hmac { key: Vec<u8>, hash: Vec<u8> },
}

const LONGEST_HASH: usize = 1024;

/// Accepts Base64 with and without padding.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// The kind of hmac in a stored text: it has no form of its own.
const HMAC: &str = "hmac_sha256";

/// A hash of this kind, as it is stored. `key` belongs to `hmac_sha256` alone.
///
/// # Errors
/// [`InvalidHash`]
pub fn import(kind: HashKind, value: &str, key: Option<&str>) -> Result<PasswordHash, InvalidHash> {
    let stored = match (kind, key) {
        (HashKind::HmacSha256, Some(key)) => format!("{HMAC}${}${}", STANDARD.encode(key), value.to_ascii_lowercase()),
        (HashKind::HmacSha256, None) | (_, Some(_)) => return Err(InvalidHash),
        (_, None) => value.to_owned(),
    };
    match Scheme::parse(&stored) {
        Some((found, _)) if found == kind => Ok(PasswordHash(stored)),
        _ => Err(InvalidHash),
    }
}

/// The kind of a stored hash with its value and key, as [`import`] takes them.
#[must_use]
pub fn export(hash: &PasswordHash) -> Option<(HashKind, String, Option<String>)> {
    let (kind, scheme) = Scheme::parse(&hash.0)?;
    match scheme {
        Scheme::Hmac { key, .. } => {
            let value = hash.0.rsplit('$').next()?.to_owned();
            Some((kind, value, Some(String::from_utf8(key).ok()?)))
        }
        _ => Some((kind, hash.0.clone(), None)),
    }
}

/// Whether `password` is the one of `hash`, which is not an argon2id hash of this service. A hash that is malformed or too
/// costly fits no password.
pub(super) fn verify(hash: &str, password: &[u8]) -> bool {
    Scheme::parse(hash).is_some_and(|(_, scheme)| scheme.fits(password))
}

impl<'a> Scheme<'a> {
    fn parse(text: &'a str) -> Option<(HashKind, Self)> {
        if text.len() > LONGEST_HASH || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let parts: Vec<&str> = text.split('$').collect();
        match parts.as_slice() {
            ["", "argon2id" | "argon2i" | "argon2d", ..] => Some((HashKind::Argon2, argon2_of(text)?)),
            ["", "2a" | "2b" | "2y", cost, _] => Some((HashKind::Bcrypt, bcrypt_of(text, cost).map(Self::Bcrypt)?)),
            ["", "wp", "2y", cost, _] => {
                Some((HashKind::Bcrypt, bcrypt_of(text.strip_prefix("$wp")?, cost).map(Self::WordPress)?))
            }
            ["", "scrypt", params, salt, hash] => Some((HashKind::Scrypt, scrypt_of(params, salt, hash)?)),
            ["", name, params, salt, hash] if name.starts_with("pbkdf2") => {
                let algorithm = match *name {
                    "pbkdf2" | "pbkdf2-sha1" => pbkdf2::PBKDF2_HMAC_SHA1,
                    "pbkdf2-sha256" => pbkdf2::PBKDF2_HMAC_SHA256,
                    "pbkdf2-sha512" => pbkdf2::PBKDF2_HMAC_SHA512,
                    _ => return None,
                };
                let iterations = parameter(params, "i").or_else(|| params.parse().ok())?;
                // passlib writes a dot for the plus sign.
                let decode = |text: &str| BASE64.decode(text.replace('.', "+")).ok();
                Some((HashKind::Pbkdf2, pbkdf2_of(algorithm, iterations, decode(salt)?, decode(hash)?)?))
            }
            ["pbkdf2_sha256", iterations, salt, hash] => {
                let (iterations, salt) = (iterations.parse().ok()?, salt.as_bytes().to_vec());
                let hash = BASE64.decode(hash).ok()?;
                Some((HashKind::Django, pbkdf2_of(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, hash)?))
            }
            ["", "P" | "H", rest] => Some((HashKind::Phpass, phpass_of(rest)?)),
            [HMAC, key, hash] => {
                let key = STANDARD.decode(key).ok().filter(|key| !key.is_empty())?;
                let hash = hex(hash).filter(|hash| hash.len() == 32)?;
                Some((HashKind::HmacSha256, Self::Hmac { key, hash }))
            }
            _ => None,
        }
    }

    fn fits(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2(hash) => Argon2::default().verify_password(password, &**hash).is_ok(),
            // C libraries end at a NUL, so a password that has one was never hashed whole.
            Self::Bcrypt(_) | Self::WordPress(_) if password.contains(&0) => false,
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::WordPress(hash) => {
                let key = hmac::Key::new(hmac::HMAC_SHA384, b"wp-sha384");
                let hashed = STANDARD.encode(hmac::sign(&key, trimmed(password)));
                bcrypt::verify(hashed, hash).unwrap_or(false)
            }
            Self::Scrypt { params, salt, hash } => {
                let mut computed = vec![0; hash.len()];
                scrypt::scrypt(password, salt, params, &mut computed).is_ok()
                    && verify_slices_are_equal(&computed, hash).is_ok()
            }
            Self::Pbkdf2 { algorithm, iterations, salt, hash } => {
                pbkdf2::verify(*algorithm, *iterations, salt, password, hash).is_ok()
            }
            Self::Phpass { rounds, salt, hash } => {
                let mut digest = Md5::new().chain_update(salt).chain_update(password).finalize();
                for _ in 0..*rounds {
                    digest = Md5::new().chain_update(digest).chain_update(password).finalize();
                }
                verify_slices_are_equal(phpass_base64(&digest).as_bytes(), hash.as_bytes()).is_ok()
            }
            Self::Hmac { key, hash } => hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), password, hash).is_ok(),
        }
    }
}

/// At most 128 MiB, and eight times that in all passes: some 0.7 seconds.
fn argon2_of(text: &str) -> Option<Scheme<'_>> {
    const MOST_KIB: u32 = 128 * 1024;
    let hash = phc::PasswordHash::new(text).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let is_bounded = params.m_cost() <= MOST_KIB
        && params.m_cost().saturating_mul(params.t_cost()) <= 8 * MOST_KIB
        && params.p_cost() <= 16
        && hash.hash.is_some();
    is_bounded.then(|| Scheme::Argon2(Box::new(hash)))
}

/// Cost 14 takes about a second.
fn bcrypt_of<'a>(text: &'a str, cost: &str) -> Option<&'a str> {
    let is_bounded = cost.len() == 2 && cost.parse().is_ok_and(|cost: u8| (4..=14).contains(&cost));
    (is_bounded && text.len() == 60).then_some(text)
}

/// At most 128 MiB in four passes.
fn scrypt_of(params: &str, salt: &str, hash: &str) -> Option<Scheme<'static>> {
    let (log_n, r, p) = (parameter(params, "ln")?, parameter(params, "r")?, parameter(params, "p")?);
    if !(1..=20).contains(&log_n) || !(1..=32).contains(&r) || !(1..=4).contains(&p) || (r << log_n) > 1 << 20 {
        return None;
    }
    let params = scrypt::Params::new(u8::try_from(log_n).ok()?, r, p).ok()?;
    let (salt, hash) = (BASE64.decode(salt).ok()?, BASE64.decode(hash).ok()?);
    (16..=64).contains(&hash.len()).then_some(Scheme::Scrypt { params, salt, hash })
}

/// Two million iterations of SHA-256 take about half a second.
fn pbkdf2_of(algorithm: pbkdf2::Algorithm, iterations: u32, salt: Vec<u8>, hash: Vec<u8>) -> Option<Scheme<'static>> {
    let iterations = NonZeroU32::new(iterations).filter(|iterations| iterations.get() <= 2_000_000)?;
    // One block of output: more would multiply the cost.
    let longest = if algorithm == pbkdf2::PBKDF2_HMAC_SHA1 {
        20
    } else if algorithm == pbkdf2::PBKDF2_HMAC_SHA256 {
        32
    } else {
        64
    };
    (16..=longest).contains(&hash.len()).then_some(Scheme::Pbkdf2 { algorithm, iterations, salt, hash })
}

const PHPASS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A letter for the logarithm of the rounds, eight of salt, twenty-two of the hash.
fn phpass_of(rest: &str) -> Option<Scheme<'_>> {
    if rest.len() != 31 {
        return None;
    }
    let log = PHPASS.iter().position(|letter| *letter == rest.as_bytes()[0])?;
    let (salt, hash) = (rest.get(1..9)?, rest.get(9..)?);
    (7..=20).contains(&log).then(|| Scheme::Phpass { rounds: 1 << log, salt, hash })
}

/// phpass's own Base64: the lowest six bits come first.
fn phpass_base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().rev().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
        for index in 0..=group.len() {
            text.push(char::from(PHPASS[(bits >> (6 * index)) as usize & 63]));
        }
    }
    text
}

/// The number of a parameter in `ln=16,r=8,p=1`.
fn parameter(params: &str, name: &str) -> Option<u32> {
    params.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| (pair[0] << 4) | pair[1]).collect())
}

/// Without the white space that PHP's `trim` removes.
fn trimmed(password: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0 | 0x0b);
    let start = password.iter().position(|byte| !is_space(byte)).unwrap_or(password.len());
    let end = password.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &password[start..end]
}

#[cfg(test)]
#[path = "scheme_tests.rs"]
mod tests;
