//! Attacks with forged, reused or misused tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use twostep_crypto::key_ring::KeysSecret;
use twostep_domain::time::Timestamp;
use twostep_runtime::entropy;
use twostep_tests::{claims, fresh_phone};

use crate::{
    Seen, seen,
    world::{Event, World, person},
};

async fn profile(world: &World, token: &str) -> twostep_tests::Answer {
    world.send(Event::new("GET", "/v1/profile").bearer(token)).await
}

async fn refresh(world: &World, token: &Value) -> twostep_tests::Answer {
    world.send(Event::new("POST", "/v1/session/refresh").body(json!({ "refresh_token": token }))).await
}

pub async fn half_a_sign_in_as_a_token(world: &'static World) -> Seen {
    let phone = fresh_phone();
    let challenge = world.start("/v1/register/phone", &phone, "203.0.113.7").await.expect(202);
    let verified = world.verify(&challenge, &world.code(&phone, 1).await).await.expect(200);
    let halves = [&challenge["challenge_id"], &verified["registration_token"]];
    for half in halves {
        let token = half.as_str().expect("a text");
        profile(world, token).await.expect_problem(401, "invalid_token");
        let put = Event::new("PUT", "/v1/profile/phone").bearer(token).body(json!({"phone": fresh_phone()}));
        world.send(put).await.expect_problem(401, "invalid_token");
        refresh(world, half).await.expect_problem(401, "invalid_refresh_token");
    }
    seen(
        "a challenge id and a registration token, as access token and as refresh token",
        halves.len() * 3,
        "`invalid_token`, `invalid_refresh_token`",
    )
}

pub async fn forged_tokens(world: &'static World) -> Seen {
    let good = person(world).await.0.access_token;
    profile(world, &good).await.expect(200);
    let session = person(world).await.0;
    let header: Value = part(&good, 0);
    let kid = header["kid"].as_str().expect("a kid").to_owned();
    let now = claims(&good)["iat"].as_i64().expect("a time");
    let mut rng = entropy::system();
    let stranger = KeysSecret::first(Timestamp(0), &mut rng).expect("keys").ring().expect("keys");
    let key = stranger.signing_key(Timestamp(1));
    let own = |kid: &str| Header { typ: Some("at+jwt".into()), kid: Some(kid.into()), ..Header::new(Algorithm::RS256) };
    let sign = |header: &Header, body: &Value| encode(header, body, &key.private).expect("a token");
    let body = claims(&good);
    let with = |name: &str, value: Value| {
        let mut body = body.clone();
        body[name] = value;
        body
    };
    let embedded = Header { jwk: Some(key.jwk.clone()), ..own(&kid) };
    let linked = Header { jku: Some("https://evil.example/jwks.json".into()), ..own(&key.id) };
    let jwks = world.client.get("/.well-known/jwks.json").await.expect(200);
    let public: Jwk = serde_json::from_value(jwks["keys"][0].clone()).expect("a key");
    let modulus = serde_json::to_vec(&public).expect("JSON");
    let hs256 = Header { alg: Algorithm::HS256, ..own(&kid) };
    let unsigned = |header: Value, body: &Value| {
        format!("{}.{}.", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(body.to_string()))
    };
    let resigned = |change: &Value| {
        let mut parts: Vec<String> = good.split('.').map(str::to_owned).collect();
        parts[1] = URL_SAFE_NO_PAD.encode(change.to_string());
        parts.join(".")
    };
    let forged = [
        unsigned(json!({"alg": "none", "typ": "at+jwt", "kid": kid}), &body),
        unsigned(json!({"alg": "nOnE", "typ": "at+jwt", "kid": kid}), &body),
        encode(&hs256, &body, &EncodingKey::from_secret(&modulus)).expect("a token"),
        sign(&own(&kid), &body),
        sign(&own("unknown"), &body),
        sign(&embedded, &body),
        sign(&linked, &body),
        resigned(&with("sub", session.user["id"].clone())),
        resigned(&with("exp", json!((now + 9_999).to_string()))),
        resigned(&with("nbf", json!(now + 9_999))),
        resigned(&with("aud", json!("other"))),
        session.refresh_token.clone(),
        format!("{good}x"),
        good[..good.len() - 2].to_owned(),
    ];
    for token in &forged {
        profile(world, token).await.expect_problem(401, "invalid_token");
    }
    seen(
        "`none`, HS256 with the public key, a foreign key with the service's `kid`, an unknown `kid`, embedded `jwk` and `jku`, changed claims, a refresh token",
        forged.len(),
        "`invalid_token` each time",
    )
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

pub async fn an_old_refresh_token(world: &'static World) -> Seen {
    let (first, _) = person(world).await;
    let second = refresh(world, &json!(first.refresh_token)).await.expect(200);
    let third = refresh(world, &second["refresh_token"]).await.expect(200);
    refresh(world, &json!(first.refresh_token)).await.expect_problem(401, "invalid_refresh_token");
    refresh(world, &third["refresh_token"]).await.expect_problem(401, "invalid_refresh_token");
    seen("a used refresh token", 1, "rejected, and its whole family is revoked")
}

pub async fn one_refresh_token_at_once(world: &'static World) -> Seen {
    const TIMES: usize = 20;
    let (session, _) = person(world).await;
    let mut race = JoinSet::new();
    for _ in 0..TIMES {
        let token = json!(session.refresh_token);
        race.spawn_local(async move { refresh(world, &token).await.expect(200) });
    }
    let pairs = race.join_all().await;
    // Each successor replaces the one before it, and an ended one ends the session.
    let mut good = 0;
    for pair in &pairs {
        good += usize::from(refresh(world, &pair["refresh_token"]).await.status == 200);
    }
    assert!(good <= 1, "{good} pairs were good");
    seen("parallel requests with one refresh token", TIMES, "each replaces the pair before it: one is good in the end")
}
