//! Access tokens: JWTs in the profile of RFC 9068, signed with RS256 (the only family that API Gateway's HTTP-API
//! authorizer accepts), checked as RFC 8725 asks.

use std::time::Duration;

use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use twostep_domain::{
    authentication_method::Method,
    ids::{ClientId, GrantId, SessionId, UserId},
    oidc::{Grant, Scopes},
    random,
    session::Session,
    time::Timestamp,
};

use crate::key_ring::KeyRing;

pub const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Clocks differ a little: a token that another machine made a moment ago must not count as not yet valid. So `nbf` lies this
/// far back, for verifiers that allow no difference.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

const TYPE: &str = "at+jwt";

/// The issuer and the audience of access tokens (`iss` and `aud`).
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
    /// The session. It survives refreshes.
    pub sid: SessionId,
    /// When the user signed in. Refreshes do not change it.
    pub auth_time: Timestamp,
    pub amr: Vec<Method>,
    /// When the second step was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa_time: Option<Timestamp>,
    #[serde(default = "Scopes::of_session")]
    pub scope: Scopes,
    /// The client that got the token. Tokens of the service's own pages and of API clients have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// What the client's token belongs to, and ends with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<GrantId>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the access token is not valid")]
pub struct InvalidToken;

impl Issuer {
    #[must_use]
    pub fn issue(&self, ring: &KeyRing, session: &Session, now: Timestamp, rng: &mut dyn CryptoRng) -> String {
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: session.user_id.clone(),
            exp: now.plus(LIFETIME).0,
            iat: now.0,
            nbf: now.minus(CLOCK_SKEW).0,
            jti: random::identifier(rng),
            sid: session.id.clone(),
            auth_time: session.auth_time,
            amr: session.amr.clone(),
            mfa_time: session.mfa_time,
            scope: Scopes::of_session(),
            client_id: None,
            grant_id: None,
        };
        sign(ring, &claims, now)
    }

    /// The access token of a client, for `scope`, which is no more than the grant has.
    #[must_use]
    pub fn issue_for_client(
        &self,
        ring: &KeyRing,
        grant: &Grant,
        scope: Scopes,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> String {
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: grant.user_id.clone(),
            exp: now.plus(LIFETIME).0,
            iat: now.0,
            nbf: now.0,
            jti: random::identifier(rng),
            sid: grant.parent.clone(),
            auth_time: grant.auth_time,
            amr: grant.amr.clone(),
            mfa_time: None,
            scope,
            client_id: Some(grant.client_id.clone()),
            grant_id: Some(grant.id.clone()),
        };
        sign(ring, &claims, now)
    }

    /// Accepts one algorithm and this service's own keys only, and checks every claim with its type. Keys inside the token
    /// are ignored.
    ///
    /// # Errors
    /// [`InvalidToken`], for whatever reason.
    pub fn check(&self, ring: &KeyRing, token: &str, now: Timestamp) -> Result<Claims, InvalidToken> {
        let header = decode_header(token).map_err(|_| InvalidToken)?;
        if header.alg != Algorithm::RS256 || header.typ.as_deref() != Some(TYPE) {
            return Err(InvalidToken);
        }
        let key = header.kid.and_then(|id| ring.signing_key_by_id(&id, now)).ok_or(InvalidToken)?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[&self.audience]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "nbf", "sub"]);
        // Times are compared below, with the given clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims = decode::<Claims>(token, &key.public, &validation).map_err(|_| InvalidToken)?.claims;
        let soon = now.plus(CLOCK_SKEW).0;
        let is_current = now.0 < claims.exp && claims.nbf <= soon && claims.iat <= soon;
        if is_current { Ok(claims) } else { Err(InvalidToken) }
    }
}

impl Claims {
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.iss
    }

    #[must_use]
    pub fn audience(&self) -> &str {
        &self.aud
    }

    #[must_use]
    pub fn issued_at(&self) -> Timestamp {
        Timestamp(self.iat)
    }

    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        Timestamp(self.exp)
    }

    #[must_use]
    pub fn token_id(&self) -> &str {
        &self.jti
    }
}

fn sign(ring: &KeyRing, claims: &Claims, now: Timestamp) -> String {
    let key = ring.signing_key(now);
    let header = Header { typ: Some(TYPE.to_owned()), kid: Some(key.id.clone()), ..Header::new(Algorithm::RS256) };
    encode(&header, claims, &key.private).expect("the key was checked when it was read")
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::EncodingKey;
    use rand::{SeedableRng, rngs::StdRng};
    use serde_json::{Value, json};
    use twostep_domain::{account::AccountSnapshot, sign_in::SignIn};

    use super::*;
    use crate::key_ring::KeysSecret;

    const NOW: Timestamp = Timestamp(1_700_000_000);

    fn issuer() -> Issuer {
        Issuer { issuer: "https://auth.example".into(), audience: "twostep".into() }
    }

    fn ring(seed: u64) -> KeyRing {
        KeysSecret::first(Timestamp(0), &mut StdRng::seed_from_u64(seed)).unwrap().ring().unwrap()
    }

    fn token(ring: &KeyRing) -> String {
        let mut rng = StdRng::seed_from_u64(9);
        let account =
            AccountSnapshot { user_id: UserId::from_stored("ann"), epoch: 0, has_password: false, verified_at: None };
        let session = Session::begin(SessionId::from_stored("s"), String::new(), &account, SignIn::by_phone(NOW), None);
        issuer().issue(ring, &session, NOW, &mut rng)
    }

    /// The claims of a valid token, changed, and signed again with the right key.
    fn signed_with(ring: &KeyRing, header: &Header, change: impl FnOnce(&mut Value)) -> String {
        let good = token(ring);
        let claims = good.split('.').nth(1).unwrap();
        let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        change(&mut claims);
        encode(header, &claims, &ring.signing_key(NOW).private).unwrap()
    }

    fn header(ring: &KeyRing) -> Header {
        let kid = Some(ring.signing_key(NOW).id.clone());
        Header { typ: Some("at+jwt".into()), kid, ..Header::new(Algorithm::RS256) }
    }

    #[test]
    fn a_token_is_valid_for_ten_minutes() {
        let ring = ring(1);
        let token = token(&ring);
        let claims = issuer().check(&ring, &token, Timestamp(NOW.0 + 599)).unwrap();
        assert_eq!((claims.sub.as_str(), claims.amr, claims.auth_time), ("ann", vec![Method::Sms], NOW));
        assert!(issuer().check(&ring, &token, Timestamp(NOW.0 + 600)).is_err());
    }

    #[test]
    fn a_verifier_whose_clock_is_behind_accepts_a_fresh_token() {
        let ring = ring(1);
        let claims = issuer().check(&ring, &token(&ring), NOW).unwrap();
        assert_eq!((claims.nbf, claims.iat), (NOW.0 - 5, NOW.0));
    }

    #[test]
    fn forged_tokens_are_refused() {
        let ring = ring(1);
        let stranger = self::ring(2);
        let check = |token: &str| issuer().check(&ring, token, NOW);
        check(&signed_with(&ring, &header(&ring), |_| {})).expect("re-signing alone changes nothing");

        let wrong = |name: &str, value: Value| {
            let token = signed_with(&ring, &header(&ring), |claims| claims[name] = value);
            assert!(check(&token).is_err(), "{name}");
        };
        wrong("aud", json!("other"));
        wrong("iss", json!("https://evil.example"));
        wrong("exp", json!((NOW.0 + 600).to_string()));
        wrong("nbf", json!(NOW.0 + 60));
        wrong("iat", json!(NOW.0 + 60));
        wrong("sub", json!(7));
        wrong("exp", Value::Null);

        let header_wrong = |change: fn(&mut Header)| {
            let mut header = header(&ring);
            change(&mut header);
            assert!(check(&signed_with(&ring, &header, |_| {})).is_err(), "{header:?}");
        };
        header_wrong(|header| header.kid = None);
        header_wrong(|header| header.kid = Some("unknown".into()));
        header_wrong(|header| header.typ = Some("JWT".into()));

        let mut same_kid = header(&ring);
        same_kid.jwk = Some(stranger.jwks(NOW).next().unwrap().clone());
        let claims = json!({"iss":"https://auth.example","aud":"twostep","sub":"ann","exp":NOW.0+600,"iat":NOW.0,"nbf":NOW.0,"jti":"x","sid":"x","auth_time":NOW.0,"amr":["sms"]});
        assert!(
            check(&encode(&same_kid, &claims, &stranger.signing_key(NOW).private).unwrap()).is_err(),
            "key in the header"
        );

        let public = serde_json::to_vec(ring.jwks(NOW).next().unwrap()).unwrap();
        let hs256 = Header { alg: Algorithm::HS256, ..header(&ring) };
        assert!(check(&encode(&hs256, &claims, &EncodingKey::from_secret(&public)).unwrap()).is_err(), "HS256");
        let none =
            URL_SAFE_NO_PAD.encode(json!({"alg":"none","typ":"at+jwt","kid":ring.signing_key(NOW).id}).to_string());
        assert!(check(&format!("{none}.{}.", URL_SAFE_NO_PAD.encode(claims.to_string()))).is_err(), "none");
        for noise in ["", "a.b.c", "...", "x"] {
            assert!(check(noise).is_err());
        }
    }
}
