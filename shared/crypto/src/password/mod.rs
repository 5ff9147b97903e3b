//! Passwords: which are accepted, and how they are hashed (NIST SP 800-63B-4 §3.1.1.2).

pub mod scheme;
mod strength;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc},
};
use rand::CryptoRng;
use secrecy::{ExposeSecret, SecretString};
use twostep_domain::{account::user::PasswordHash, random};
use unicode_normalization::UnicodeNormalization;
use zxcvbn::feedback::Warning;

/// A password as it was entered, and in Unicode's NFC form, so that the same word typed on two keyboards is the same password.
pub struct Password {
    normalised: SecretString,
    /// What other software has hashed.
    entered: SecretString,
}

/// Why a password is not accepted for an account.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum WeakPassword {
    #[error("Use at least {} characters.", Password::SHORTEST)]
    TooShort,
    #[error("Use at most {} characters.", Password::LONGEST)]
    TooLong,
    #[error("{0} Add another word or two. Uncommon words are better.")]
    Guessable(Warning),
    #[error("This password is easy to guess. Add another word or two. Uncommon words are better.")]
    Weak,
}

impl Password {
    const SHORTEST: usize = 8;
    const LONGEST: usize = 256;

    /// Reads a password that a user enters to sign in. `None` if it is too long: no account has it, and it must not cost a
    /// hash.
    #[must_use]
    pub fn read(input: &SecretString) -> Option<Self> {
        // Counted before it is normalised, so that a megabyte costs nothing.
        let fits = input.expose_secret().chars().take(Self::LONGEST + 1).count() <= Self::LONGEST;
        fits.then(|| Self {
            normalised: input.expose_secret().nfc().collect::<String>().into(),
            entered: input.clone(),
        })
    }

    /// Reads a password that a user chooses. `context` is what an attacker would try first: the email address and the name.
    ///
    /// # Errors
    /// [`WeakPassword`], with a reason that helps the user.
    pub fn choose(input: &SecretString, context: &[&str]) -> Result<Self, WeakPassword> {
        let password = Self::read(input).ok_or(WeakPassword::TooLong)?;
        let text = password.normalised.expose_secret();
        if text.chars().count() < Self::SHORTEST {
            return Err(WeakPassword::TooShort);
        }
        match strength::judge(text, context) {
            Ok(()) => Ok(password),
            Err(reason) => Err(reason.map_or(WeakPassword::Weak, WeakPassword::Guessable)),
        }
    }

    /// argon2id (`$argon2id$v=19$m=19456,t=2,p=1$…`, OWASP Password Storage Cheat Sheet). Costs as much as [`verify`].
    #[must_use]
    pub fn hash(&self, rng: &mut dyn CryptoRng) -> PasswordHash {
        let salt: [u8; 16] = random::bytes(rng);
        let hash = hasher().hash_password_with_salt(self.bytes(), &salt);
        PasswordHash(hash.expect("salt and parameters are valid").to_string())
    }

    fn bytes(&self) -> &[u8] {
        self.normalised.expose_secret().as_bytes()
    }
}

/// A hash that no password matches. It is verified for unknown email addresses, so that they cost the same work as known
/// ones.
#[must_use]
pub fn dummy_hash() -> PasswordHash {
    PasswordHash(
        "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9ibw$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
    )
}

/// Whether the hash was made by other software or with parameters other than today's. The next right password replaces it.
#[must_use]
pub fn is_outdated(hash: &PasswordHash) -> bool {
    let Ok(parsed) = phc::PasswordHash::new(&hash.0) else { return true };
    let same_algorithm =
        parsed.algorithm == Algorithm::Argon2id.ident() && parsed.version == Some(u32::from(Version::V0x13));
    let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
    !same_algorithm || !Params::try_from(&parsed).is_ok_and(|params| costs(&params) == costs(hasher().params()))
}

/// Compares in constant time, after one argon2id computation. A hash of other software takes that and its own time: one
/// that is cheap looks from outside like an unknown email address, and one that is dear takes longer until the first right
/// password has replaced it.
#[must_use]
pub fn verify(hash: &PasswordHash, password: &Password) -> bool {
    // A test counts these lines: an unknown email address costs as many.
    tracing::debug!("a password is hashed");
    if !is_outdated(hash) {
        return phc::PasswordHash::new(&hash.0)
            .is_ok_and(|parsed| hasher().verify_password(password.bytes(), &parsed).is_ok());
    }
    let unknown = phc::PasswordHash::new(&dummy_hash().0);
    let _never = unknown.is_ok_and(|parsed| hasher().verify_password(password.bytes(), &parsed).is_ok());
    let entered = password.entered.expose_secret().as_bytes();
    scheme::verify(&hash.0, password.bytes()) || (entered != password.bytes() && scheme::verify(&hash.0, entered))
}

fn hasher() -> Argon2<'static> {
    const MEMORY_KIB: u32 = 19 * 1024;
    let params = Params::new(MEMORY_KIB, 2, 1, None).expect("valid parameters");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    const CONTEXT: [&str; 2] = ["ada.lovelace@example.com", "Ada Lovelace"];

    fn choose(text: &str) -> Result<Password, WeakPassword> {
        Password::choose(&text.to_owned().into(), &CONTEXT)
    }

    fn entered(text: &str) -> Password {
        Password::read(&text.to_owned().into()).unwrap()
    }

    #[test]
    fn weak_passwords_are_refused_with_a_reason() {
        assert_eq!(choose("short").err(), Some(WeakPassword::TooShort));
        assert_eq!(choose(&"a1B$".repeat(65)).err(), Some(WeakPassword::TooLong));
        for weak in ["password", "12345678", "qwertyuiop", "adalovelace", "Lovelace1843", "aaaaaaaaaaaa", "iloveyou2"] {
            let reason = choose(weak).err().expect(weak);
            assert!(matches!(reason, WeakPassword::Guessable(_) | WeakPassword::Weak), "{weak}: {reason}");
        }
        assert!(choose("correct horse battery staple").is_ok());
        assert!(choose("пароль-для-хорошего-сайта").is_ok());
    }

    #[test]
    fn a_hash_is_of_one_password_in_every_spelling_of_unicode() {
        let hash = choose("crème brûlée à minuit").unwrap().hash(&mut StdRng::seed_from_u64(1));
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify(&hash, &entered("cre\u{300}me bru\u{302}le\u{301}e a\u{300} minuit")));
        assert!(!verify(&hash, &entered("creme brulee a minuit")));
    }

    #[test]
    fn a_hash_with_other_parameters_is_right_and_outdated() {
        let params = Params::new(4_096, 3, 1, None).unwrap();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash = argon2.hash_password_with_salt(b"correct horse", b"0123456789abcdef").unwrap().to_string();
        assert!(hash.starts_with("$argon2id$v=19$m=4096,t=3,p=1$"), "{hash}");
        let hash = PasswordHash(hash);
        assert!(verify(&hash, &entered("correct horse")) && is_outdated(&hash));
        assert!(!verify(&hash, &entered("correct house")));
        assert!(!is_outdated(&entered("x").hash(&mut StdRng::seed_from_u64(1))));
        assert!(!is_outdated(&dummy_hash()));
    }

    #[test]
    fn long_passwords_differ_after_their_seventy_second_byte() {
        let (one, other) = (format!("{}x", "ab1 ".repeat(18)), format!("{}y", "ab1 ".repeat(18)));
        let hash = entered(&one).hash(&mut StdRng::seed_from_u64(1));
        assert!(verify(&hash, &entered(&one)) && !verify(&hash, &entered(&other)));
    }

    #[test]
    fn nobody_s_hash_is_like_the_others_and_fits_no_password() {
        let real = entered("x").hash(&mut StdRng::seed_from_u64(1));
        let shape = |hash: &PasswordHash| hash.0.split('$').map(str::len).collect::<Vec<_>>();
        assert_eq!(shape(&dummy_hash()), shape(&real));
        assert!(!verify(&dummy_hash(), &entered("nobody")));
    }
}
