//! Time-based one-time codes of an app (RFC 6238): HMAC-SHA-1, six digits, a new code every 30 seconds, as every app has
//! them. AWS-LC computes the HMAC, so what is left of the standard are these lines.

use std::fmt;

use aws_lc_rs::hmac;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use twostep_domain::{challenge::Sealed, ids::UserId, one_time_code::OneTimeCode, random, time::Timestamp};

use crate::{constant_time, key_ring::KeyRing, sealing::UnsealError};

/// 160 random bits, as many as HMAC-SHA-1 has (RFC 4226 §4, R6). Its `Debug` does not show it.
#[derive(Serialize, Deserialize)]
pub struct TotpSecret([u8; Self::BYTES]);

impl TotpSecret {
    const BYTES: usize = 20;
    /// Seconds.
    const STEP: u64 = 30;
    /// How many steps a code may be early or late: clocks differ, and typing takes time (RFC 6238 §5.2).
    const DRIFT: u64 = 1;

    #[must_use]
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        Self(random::bytes(rng))
    }

    /// Sealed for one user. The key never expires, unlike the data keys of challenges.
    pub fn seal(&self, ring: &KeyRing, user: &UserId, rng: &mut dyn CryptoRng) -> Sealed {
        ring.pepper.data_key().seal(&place(user), self, rng)
    }

    /// # Errors
    /// [`UnsealError`] if it was not sealed for this user.
    pub fn open(ring: &KeyRing, user: &UserId, sealed: &Sealed) -> Result<Self, UnsealError> {
        crate::sealing::open(sealed, [&ring.pepper.data_key()], &place(user))
    }

    /// The step that `code` belongs to, if that is about now and later than `last_step`. All candidates are compared, each in
    /// constant time.
    #[must_use]
    pub fn step_of(&self, code: &OneTimeCode, last_step: u64, now: Timestamp) -> Option<u64> {
        let present = u64::try_from(now.0).unwrap_or(0) / Self::STEP;
        let candidates = present.saturating_sub(Self::DRIFT)..=present + Self::DRIFT;
        let matching = candidates.filter(|step| constant_time::equal(self.code(*step), code.expose()));
        matching.fold(None, |_, step| Some(step)).filter(|step| *step > last_step)
    }

    /// RFC 4226 §5.3.
    fn code(&self, step: u64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag[tag.len() - 1] & 0xf);
        let truncated = u32::from_be_bytes(tag[offset..offset + 4].try_into().expect("four bytes"));
        format!("{:06}", (truncated & 0x7fff_ffff) % 1_000_000)
    }

    /// In base 32 (RFC 4648 §6) without padding, for the response that delivers it and for nothing else.
    #[must_use]
    pub fn expose(&self) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let letters = self.0.chunks(5).flat_map(|chunk| {
            let bits = chunk.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            (0..8).rev().map(move |place| ALPHABET[usize::try_from(bits >> (5 * place) & 31).expect("below 32")])
        });
        letters.map(char::from).collect()
    }

    /// The address that apps read from a QR code ("Key Uri Format" of Google Authenticator).
    #[must_use]
    pub fn uri(&self, issuer: &str, account: &str) -> String {
        let (issuer, account) =
            (utf8_percent_encode(issuer, NON_ALPHANUMERIC), utf8_percent_encode(account, NON_ALPHANUMERIC));
        let secret = self.expose();
        format!(
            "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period={}",
            Self::STEP
        )
    }
}

fn place(user: &UserId) -> String {
    format!("totp|{}", user.as_str())
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::key_ring::KeysSecret;

    /// RFC 6238, Appendix B.
    fn of_the_standard() -> TotpSecret {
        TotpSecret(*b"12345678901234567890")
    }

    fn code(text: &str) -> OneTimeCode {
        OneTimeCode::parse(text).unwrap()
    }

    #[test]
    fn the_codes_are_those_of_the_standard() {
        for (at, last_six) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(
                of_the_standard().step_of(&code(last_six), 0, Timestamp(at)),
                Some(at.unsigned_abs() / 30),
                "{at}"
            );
        }
    }

    #[test]
    fn a_code_is_accepted_one_step_early_or_late_and_once() {
        let (secret, code) = (of_the_standard(), code("050471"));
        let step = 1_111_111_111 / 30_u64;
        let begins = i64::try_from(step * 30).unwrap();
        let at = |at| secret.step_of(&code, 0, Timestamp(at));
        assert_eq!([begins - 31, begins - 30, begins + 59, begins + 60].map(at), [None, Some(step), Some(step), None]);
        assert_eq!(secret.step_of(&code, step - 1, Timestamp(begins)), Some(step));
        assert_eq!(secret.step_of(&code, step, Timestamp(begins)), None, "used before");
    }

    #[test]
    fn a_secret_is_written_as_apps_read_it() {
        let secret = of_the_standard();
        assert_eq!(secret.expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            secret.uri("Ada & Sons", "ada@example.com"),
            "otpauth://totp/Ada%20%26%20Sons:ada%40example%2Ecom?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Ada%20%26%20Sons&algorithm=SHA1&digits=6&period=30"
        );
        assert_eq!(format!("{secret:?}"), "TotpSecret(…)");
    }

    #[test]
    fn a_sealed_secret_opens_for_its_user_only_and_after_every_rotation() {
        let mut rng = StdRng::seed_from_u64(1);
        let first = KeysSecret::first(Timestamp(0), &mut rng).unwrap();
        let ada = UserId::from_stored("ada");
        let sealed = of_the_standard().seal(&first.ring().unwrap(), &ada, &mut rng);
        assert!(!sealed.0.contains("12345"));
        let mut later = first;
        for month in 1..4 {
            later = crate::key_ring::rotation::next(&later, Timestamp(month * 30 * 86_400), &mut rng).unwrap();
        }
        let ring = later.ring().unwrap();
        assert_eq!(TotpSecret::open(&ring, &ada, &sealed).unwrap().0, of_the_standard().0);
        assert!(TotpSecret::open(&ring, &UserId::from_stored("bob"), &sealed).is_err());
    }
}
