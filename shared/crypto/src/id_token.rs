//! ID tokens (OpenID Connect Core §2): what a client learns about a sign-in. They open nothing: an access token has
//! another type.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use twostep_domain::{
    account::User,
    authentication_method::Method,
    ids::{ClientId, SessionId, UserId},
    oidc::{AssuranceLevel, Grant, Scope, Scopes},
    time::Timestamp,
};

use crate::{access_token, key_ring::KeyRing};

const TYPE: &str = "JWT";

/// The claims about a user that scopes ask for (OpenID Connect Core §5.4).
#[derive(Clone, Debug, Default, Serialize)]
pub struct UserClaims {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number_verified: Option<bool>,
}

impl UserClaims {
    /// Their names.
    pub const NAMES: [&str; 5] = ["name", "email", "email_verified", "phone_number", "phone_number_verified"];

    #[must_use]
    pub fn of(user: &User, scopes: &Scopes) -> Self {
        let phone = user.phone.as_ref().filter(|_| scopes.contains(Scope::Phone));
        let has_email = scopes.contains(Scope::Email);
        Self {
            name: scopes.contains(Scope::Profile).then(|| user.name.as_str().to_owned()),
            email: has_email.then(|| user.email.as_written().to_owned()),
            email_verified: has_email.then_some(user.email_verified_at.is_some()),
            phone_number: phone.map(|phone| phone.e164().to_owned()),
            // An account has no number that was not verified.
            phone_number_verified: phone.map(|_| true),
        }
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a UserId,
    aud: &'a ClientId,
    exp: Timestamp,
    iat: Timestamp,
    auth_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    amr: &'a [Method],
    acr: &'static str,
    at_hash: String,
    /// The user's session, which a sign-out with this token as its hint ends.
    sid: &'a SessionId,
    #[serde(flatten)]
    user: UserClaims,
}

/// An ID token as a hint which session is meant. It may have expired.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Hint {
    iss: String,
    #[serde(rename = "aud")]
    pub client_id: ClientId,
    #[serde(rename = "sub")]
    pub user_id: UserId,
    #[serde(rename = "sid")]
    pub session: SessionId,
}

/// The ID token that comes with `access_token`.
#[must_use]
pub fn issue(
    ring: &KeyRing,
    issuer: &str,
    grant: &Grant,
    user: UserClaims,
    nonce: Option<&str>,
    access_token: &str,
    now: Timestamp,
) -> String {
    let key = ring.signing_key(now);
    let claims = Claims {
        iss: issuer,
        sub: &grant.user_id,
        aud: &grant.client_id,
        exp: now.plus(access_token::LIFETIME),
        iat: now,
        auth_time: grant.auth_time,
        nonce,
        amr: &grant.amr,
        acr: AssuranceLevel::of(&grant.amr).as_str(),
        at_hash: half_hash(access_token),
        sid: &grant.parent,
        user,
    };
    let header = Header { typ: Some(TYPE.to_owned()), kid: Some(key.id.clone()), ..Header::new(Algorithm::RS256) };
    encode(&header, &claims, &key.private).expect("the key was checked when it was read")
}

/// Reads an ID token that this service issued, however old it is, while its key is known.
#[must_use]
pub fn read_hint(ring: &KeyRing, issuer: &str, token: &str, now: Timestamp) -> Option<Hint> {
    let header = decode_header(token).ok()?;
    if header.alg != Algorithm::RS256 || header.typ.as_deref() != Some(TYPE) {
        return None;
    }
    let key = header.kid.and_then(|id| ring.signing_key_by_id(&id, now))?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[issuer]);
    validation.set_required_spec_claims(&["iss", "aud", "sub"]);
    validation.validate_aud = false;
    validation.validate_exp = false;
    Some(decode::<Hint>(token, &key.public, &validation).ok()?.claims)
}

/// `at_hash` (OpenID Connect Core §3.1.3.6): the left half of the hash.
fn half_hash(access_token: &str) -> String {
    let hash = digest(&SHA256, access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_hash_is_the_left_half_of_the_hash() {
        // The example of OpenID Connect Core §A.4.
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(half_hash(token), "77QmUPtjPfzWtF2AnpK9RQ");
    }
}
