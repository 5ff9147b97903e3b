//! Reset tokens: the sealed proof that a caller may set a new password.

use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use twostep_domain::{
    challenge::Sealed,
    reset::{Grant, LIFETIME},
    time::Timestamp,
};

use crate::key_ring::KeyRing;

/// What the token is sealed for.
const PLACE: &str = "reset-token";

#[derive(Serialize, Deserialize)]
struct Dated {
    grant: Grant,
    expires_at: Timestamp,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a reset token, or it has expired")]
pub struct InvalidResetToken;

/// The text of a new token for `grant`.
pub fn issue(ring: &KeyRing, grant: Grant, now: Timestamp, rng: &mut dyn CryptoRng) -> String {
    ring.seal(PLACE, &Dated { grant, expires_at: now.plus(LIFETIME) }, now, rng).0
}

/// What `token` grants. Whether the account is still as it was then is for the caller to check.
///
/// # Errors
/// [`InvalidResetToken`]
pub fn open(ring: &KeyRing, token: String, now: Timestamp) -> Result<Grant, InvalidResetToken> {
    let dated: Dated = ring.open(PLACE, &Sealed(token), now).map_err(|_| InvalidResetToken)?;
    if now < dated.expires_at { Ok(dated.grant) } else { Err(InvalidResetToken) }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};
    use twostep_domain::{authentication_method::Method, ids::UserId};

    use super::*;
    use crate::{key_ring::KeysSecret, registration_token};

    #[test]
    fn a_token_is_of_use_for_fifteen_minutes_and_for_nothing_else() {
        let mut rng = StdRng::seed_from_u64(1);
        let ring = KeysSecret::first(Timestamp(0), &mut rng).unwrap().ring().unwrap();
        let user_id = UserId::from_stored("ada");
        let grant = Grant { user_id, epoch: 3, first: Method::Otp, second: Some(Method::Sms), verifies_email: false };
        let token = issue(&ring, grant.clone(), Timestamp(100), &mut rng);
        assert_eq!(open(&ring, token.clone(), Timestamp(999)), Ok(grant));
        assert_eq!(open(&ring, token.clone(), Timestamp(1_000)), Err(InvalidResetToken));
        assert!(registration_token::open(&ring, token.clone(), Timestamp(101)).is_err());
        for noise in [String::new(), "x".into(), format!("{token}A"), token[..token.len() - 1].to_owned()] {
            assert_eq!(open(&ring, noise, Timestamp(101)), Err(InvalidResetToken));
        }
    }
}
