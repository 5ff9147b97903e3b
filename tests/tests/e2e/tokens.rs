//! Verifies access tokens through discovery, with an independent library.

use std::process::Command;

use serde_json::{Value, json};
use twostep_tests::{Stack, claims, fresh_phone, paths::root};

const CHECK: &str = "
import json, sys, jwt, urllib.request
issuer, token = sys.argv[1:]
configuration = json.load(urllib.request.urlopen(issuer + '/.well-known/openid-configuration'))
key = jwt.PyJWKClient(configuration['jwks_uri']).get_signing_key_from_jwt(token)
claims = jwt.decode(token, key.key, algorithms=['RS256'], issuer=configuration['issuer'], audience='twostep',
                    options={'require': ['exp', 'iat', 'nbf', 'iss', 'aud', 'sub', 'jti']})
print(json.dumps({'claims': claims, 'header': jwt.get_unverified_header(token)}))
";

#[tokio::test]
async fn an_independent_library_accepts_a_token_and_rejects_a_forged_one() {
    let stack = Stack::shared().await;
    let session = stack.client().register(&fresh_phone()).await;
    let issuer = format!("http://localhost:{}", stack.api_port);
    let python = root().join(".venv/bin/python");
    let check = |token: &str| {
        Command::new(&python).args(["-c", CHECK, &issuer, token]).output().expect(".venv: run `make test-setup`")
    };

    let output = check(&session.access_token);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (claims, header) = (&seen["claims"], &seen["header"]);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("RS256"), &json!("at+jwt")));
    assert_eq!(
        (&claims["sub"], &claims["amr"], &claims["iss"]),
        (&session.user["id"], &json!(["sms"]), &json!(issuer))
    );
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
    assert!(claims["sid"].is_string() && claims["auth_time"].is_i64());

    let mut parts: Vec<&str> = session.access_token.split('.').collect();
    let other = stack.client().register(&fresh_phone()).await;
    parts[1] = other.access_token.split('.').nth(1).unwrap();
    assert!(!check(&parts.join(".")).status.success(), "claims from another token must not verify");
}

#[tokio::test]
async fn a_refresh_keeps_the_sign_in_time_and_the_session() {
    let client = Stack::shared().await.client();
    let session = client.register(&fresh_phone()).await;
    let again = client.refresh(&session.refresh_token).await.expect(200);
    let (before, after) = (claims(&session.access_token), claims(again["access_token"].as_str().unwrap()));
    for same in ["sub", "sid", "auth_time", "amr"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_ne!(before["jti"], after["jti"]);
}

#[tokio::test]
async fn the_published_keys_have_only_public_parts_and_are_cacheable() {
    let client = Stack::shared().await.client();
    let answer = client.get("/.well-known/jwks.json").await;
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    for key in answer.expect(200)["keys"].as_array().unwrap() {
        let mut parts: Vec<&String> = key.as_object().unwrap().keys().collect();
        parts.sort();
        assert_eq!(parts, ["alg", "e", "kid", "kty", "n", "use"]);
    }
}
