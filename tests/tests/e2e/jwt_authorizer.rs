//! API Gateway's JWT authorizer accepts access tokens. It can't run here, so this follows its documented rules.
//!
//! The rules are those of the developer guide, "Control access to HTTP APIs with JWT authorizers in API Gateway"
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html>), numbered as there, and of its
//! "Quotas for configuring and running an HTTP API" (`http-api-quotas.html`). That keys are cached for two hours is why
//! `tests/rotation.rs` publishes a key that long before its first use.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, jwk::Jwk};
use serde_json::{Value, json};
use twostep_tests::{Client, Stack, claims, fresh_phone, relying_party::RelyingParty};

/// The quotas for the size of the keys and of a request's headers.
const MOST_BYTES_OF_KEYS: usize = 150_000;
const MOST_BYTES_OF_HEADERS: usize = 10_240;

/// An authorizer and a route that uses it.
struct Authorizer {
    issuer: String,
    audiences: Vec<String>,
    scopes: Vec<&'static str>,
    keys: Vec<Value>,
}

impl Authorizer {
    /// Reads discovery at the issuer, and the keys that it names.
    async fn new(client: &Client, scopes: &[&'static str]) -> Self {
        let discovery = client.get("/.well-known/openid-configuration").await.expect(200);
        let address = discovery["jwks_uri"].as_str().expect("an address of keys");
        let keys = client.get(address.strip_prefix(&client.api).expect("keys at the issuer")).await.expect(200);
        assert!(keys.to_string().len() < MOST_BYTES_OF_KEYS);
        Self {
            issuer: client.api.clone(),
            audiences: vec!["twostep".to_owned()],
            scopes: scopes.to_vec(),
            keys: keys["keys"].as_array().expect("keys").clone(),
        }
    }

    /// The name of the rule that refuses this header of a request at `now`.
    fn check(&self, authorization: &str, now: i64) -> Result<(), &'static str> {
        // 1. The identity source can include only the token, or the token prefixed with Bearer.
        let token = authorization.strip_prefix("Bearer ").unwrap_or(authorization);
        // 2. Decode the token.
        let [header, body, _] = token.split('.').collect::<Vec<_>>()[..] else { return Err("decode") };
        let part = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        let (Some(header), Some(body)) = (part(header), part(body)) else { return Err("decode") };
        // 3. Check the algorithm and signature with the key from the issuer's `jwks_uri`. Only RSA-based algorithms are supported.
        let algorithm = match header["alg"].as_str() {
            Some("RS256") => Algorithm::RS256,
            Some("RS384") => Algorithm::RS384,
            Some("RS512") => Algorithm::RS512,
            _ => return Err("algorithm"),
        };
        // 4. Validate claims. `kid`: must match the key in the `jwks_uri` that signed the token.
        let key = self.keys.iter().find(|key| key["kid"].is_string() && key["kid"] == header["kid"]).ok_or("kid")?;
        let key: Jwk = serde_json::from_value(key.clone()).map_err(|_| "key")?;
        let mut only_the_signature = Validation::new(algorithm);
        only_the_signature.required_spec_claims.clear();
        (only_the_signature.validate_exp, only_the_signature.validate_aud) = (false, false);
        let key = DecodingKey::from_jwk(&key).map_err(|_| "key")?;
        decode::<Value>(token, &key, &only_the_signature).map_err(|_| "signature")?;
        // `iss`: must match the issuer of the authorizer.
        if body["iss"] != json!(self.issuer) {
            return Err("iss");
        }
        // `aud` or `client_id`: must match one of the audiences. `client_id` counts only if there is no `aud`.
        let named = if body["aud"].is_null() { &body["client_id"] } else { &body["aud"] };
        let named = named.as_array().cloned().unwrap_or_else(|| vec![named.clone()]);
        if !named.iter().any(|name| self.audiences.iter().any(|audience| name == audience)) {
            return Err("aud");
        }
        // `exp`: must be after the current time. `nbf`: before. `iat`: before.
        let time = |name: &'static str| body[name].as_i64().ok_or(name);
        if time("exp")? <= now {
            return Err("exp");
        }
        for name in ["nbf", "iat"] {
            if !body[name].is_null() && time(name)? > now {
                return Err(name);
            }
        }
        // `scope` or `scp`: must include at least one of the route's scopes.
        let granted = body["scope"].as_str().or(body["scp"].as_str()).unwrap_or_default();
        let has_one = self.scopes.is_empty() || granted.split(' ').any(|granted| self.scopes.contains(&granted));
        if has_one { Ok(()) } else { Err("scope") }
    }
}

#[tokio::test]
async fn an_authorizer_accepts_every_kind_of_access_token() {
    let stack = Stack::shared().await;
    let client = stack.client();
    let party = RelyingParty::register(&client, &stack.admin_key().await, "web").await;
    let session = client.register(&fresh_phone()).await;
    let tokens = party.sign_in(&session.refresh_token).await;
    let refreshed = party.refresh(tokens["refresh_token"].as_str().unwrap()).await.expect(200);
    let authorizer = Authorizer::new(&client, &["profile", "orders"]).await;
    for (what, token) in [
        ("of a session", &json!(session.access_token)),
        ("of a client", &tokens["access_token"]),
        ("of a client, refreshed", &refreshed["access_token"]),
    ] {
        let token = token.as_str().unwrap();
        assert_eq!(authorizer.check(token, stack.now()), Ok(()), "{what}");
        assert_eq!(authorizer.check(&format!("Bearer {token}"), stack.now()), Ok(()), "{what}");
        assert!(token.len() < MOST_BYTES_OF_HEADERS / 4, "{what}: {} bytes of headers", token.len());
        let issued = claims(token)["iat"].as_i64().unwrap();
        assert_eq!(authorizer.check(token, issued + 599), Ok(()), "{what}");
        assert_eq!(authorizer.check(token, issued + 600), Err("exp"), "{what}");
        // Integrations read claims as text, so none that a route may depend on is nested.
        for name in ["sub", "aud", "iss", "scope"] {
            assert!(claims(token)[name].is_string(), "{what}: {name}");
        }
    }
}

#[tokio::test]
async fn an_authorizer_refuses_tokens_that_are_not_for_its_route() {
    let stack = Stack::shared().await;
    let client = stack.client();
    let party = RelyingParty::register(&client, &stack.admin_key().await, "web").await;
    let session = client.register(&fresh_phone()).await;
    let tokens = party.sign_in(&session.refresh_token).await;
    let (access, id) = (tokens["access_token"].as_str().unwrap(), tokens["id_token"].as_str().unwrap());
    let now = stack.now();
    let with = async |change: fn(&mut Authorizer)| {
        let mut authorizer = Authorizer::new(&client, &["profile"]).await;
        change(&mut authorizer);
        authorizer
    };
    let usual = with(|_| ()).await;
    assert_eq!(usual.check(access, now), Ok(()));
    assert_eq!(with(|it| it.scopes = vec!["orders"]).await.check(access, now), Err("scope"));
    assert_eq!(with(|it| it.audiences = vec!["another".to_owned()]).await.check(access, now), Err("aud"));
    assert_eq!(with(|it| it.issuer.push('/')).await.check(access, now), Err("iss"));
    assert_eq!(with(|it| it.keys.clear()).await.check(access, now), Err("kid"));

    // An ID token isn't an access token: neither its audience nor its scope fits, even where the client is an audience.
    assert_eq!(usual.check(id, now), Err("aud"));
    let mut careless = with(|_| ()).await;
    careless.audiences.push(party.id.clone());
    assert_eq!(careless.check(id, now), Err("scope"));

    // The claims of another token don't have this one's signature.
    let [header, _, signature] = access.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let other = session.access_token.split('.').nth(1).unwrap();
    assert_eq!(usual.check(&format!("{header}.{other}.{signature}"), now), Err("signature"));
    let unsigned = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "typ": "at+jwt"}).to_string());
    assert_eq!(usual.check(&format!("{unsigned}.{other}."), now), Err("algorithm"));
}
