//! Access tokens: JWTs in the profile of RFC 9068, signed with RS256 (the only family that API Gateway's HTTP-API
//! authorizer accepts), checked as RFC 8725 asks.

use std::time::Duration;

use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    entropy,
    keys::KeyRing,
    sessions::{Method, Session},
    users::UserId,
};

pub const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Containers' clocks differ a little; a token made elsewhere a moment ago is not "from the future".
const CLOCK_SKEW: Duration = Duration::from_secs(5);

const TYPE: &str = "at+jwt";

/// Who makes tokens and for whom.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub issuer: String,
    pub audience: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    pub sub: UserId,
    exp: i64,
    iat: i64,
    nbf: i64,
    jti: String,
    /// The session; survives refreshes.
    pub sid: String,
    /// When the person signed in; refreshes do not change it.
    pub auth_time: Timestamp,
    pub amr: Vec<Method>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the access token is not valid")]
pub struct InvalidToken;

impl Issuer {
    #[must_use]
    pub fn issue(&self, ring: &KeyRing, session: &Session, now: Timestamp, rng: &mut dyn CryptoRng) -> String {
        let key = ring.signing_key(now);
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: session.user_id.clone(),
            exp: now.plus(LIFETIME).0,
            iat: now.0,
            nbf: now.0,
            jti: entropy::identifier(rng),
            sid: session.id.clone(),
            auth_time: session.auth_time,
            amr: session.amr.clone(),
        };
        let header = Header { typ: Some(TYPE.to_owned()), kid: Some(key.id.clone()), ..Header::new(Algorithm::RS256) };
        encode(&header, &claims, &key.private).expect("the key was checked when it was read")
    }

    /// One algorithm, own keys only, every claim with its type; keys named inside the token are not looked at.
    ///
    /// # Errors
    /// [`InvalidToken`], without saying why.
    pub fn check(&self, ring: &KeyRing, token: &str, now: Timestamp) -> Result<Claims, InvalidToken> {
        let header = decode_header(token).map_err(|_| InvalidToken)?;
        if header.alg != Algorithm::RS256 || header.typ.as_deref() != Some(TYPE) {
            return Err(InvalidToken);
        }
        let key = header.kid.and_then(|id| ring.signing_key_by_id(&id)).ok_or(InvalidToken)?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[&self.audience]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "nbf", "sub"]);
        // Times are compared below, with the clock that was handed in.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims = decode::<Claims>(token, &key.public, &validation).map_err(|_| InvalidToken)?.claims;
        let soon = now.plus(CLOCK_SKEW).0;
        let is_current = now.0 < claims.exp && claims.nbf <= soon && claims.iat <= soon;
        if is_current { Ok(claims) } else { Err(InvalidToken) }
    }
}
