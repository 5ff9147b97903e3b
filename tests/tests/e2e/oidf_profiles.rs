//! What the OpenID Foundation's basic and config profiles test and no other test here does. `docs/conformance.md` lists all.

use serde_json::{Value, json};
use twostep_tests::{
    Client, PASSWORD, SignedIn, Stack, claims, fresh_email,
    relying_party::{RelyingParty, Sent, encode},
};

/// A client, and a user with a session.
async fn scene() -> (Client, RelyingParty, SignedIn) {
    let stack = Stack::shared().await;
    let client = stack.client();
    let party = RelyingParty::register(&client, &stack.admin_key().await, "web").await;
    let session = client.register_password(&fresh_email(), PASSWORD).await;
    (client, party, session)
}

async fn tokens(party: &RelyingParty, sent: &Sent) -> Value {
    party.exchange(&sent.code()).await.expect(200)
}

fn id_token(tokens: &Value) -> Value {
    claims(tokens["id_token"].as_str().expect("an ID token"))
}

#[tokio::test]
async fn parameters_that_mean_nothing_here_change_nothing() {
    let (_, party, session) = scene().await;
    let usual = tokens(&party, &party.authorize(Some(&session.refresh_token), &[]).await).await;
    let hint = usual["id_token"].as_str().unwrap();
    for change in [
        ("extra", "foobar"),
        ("display", "page"),
        ("display", "popup"),
        ("claims_locales", "se"),
        ("ui_locales", "se"),
        ("acr_values", "1 2"),
        ("claims", r#"{"userinfo":{"name":{"essential":true}}}"#),
        ("id_token_hint", hint),
    ] {
        let sent = party.authorize(Some(&session.refresh_token), &[change, ("prompt", "none")]).await;
        let id = id_token(&tokens(&party, &sent).await);
        assert_eq!((&id["sub"], &id["nonce"]), (&session.user["id"], &json!("the nonce")), "{change:?}");
    }
}

#[tokio::test]
async fn a_request_needs_no_nonce() {
    let (_, party, session) = scene().await;
    let sent = party.authorize(Some(&session.refresh_token), &[("nonce", "")]).await;
    assert_eq!(id_token(&tokens(&party, &sent).await)["nonce"], Value::Null);
}

#[tokio::test]
async fn a_code_is_for_the_user_of_the_id_token_hint_only() {
    let (client, party, ann) = scene().await;
    let hint = tokens(&party, &party.authorize(Some(&ann.refresh_token), &[]).await).await;
    let hint = ("id_token_hint", hint["id_token"].as_str().unwrap());
    let bob = client.register_password(&fresh_email(), PASSWORD).await;
    party.authorize(Some(&bob.refresh_token), &[hint, ("prompt", "none")]).await.expect_error("login_required");

    // Without `prompt=none` the user is asked, and has to be the right one.
    let asked = party.authorize(Some(&bob.refresh_token), &[hint]).await;
    assert_eq!((asked.address(), asked.parameters()["ask"].as_str()), ("/login", "again"));
    let back = format!("/oauth/authorize?{}", encode(&[("request", &asked.parameters()["continue"])]));
    assert_eq!(party.browse(&back, Some(&bob.refresh_token)).await.address(), "/login", "the old session");
    let carol = client.register_password(&fresh_email(), PASSWORD).await;
    party.browse(&back, Some(&carol.refresh_token)).await.expect_error("login_required");
    let id = id_token(&tokens(&party, &party.browse(&back, Some(&ann.refresh_token)).await).await);
    assert_eq!(id["sub"], ann.user["id"]);

    // What isn't an ID token from here is no hint.
    let _ = party.authorize(Some(&bob.refresh_token), &[("id_token_hint", "noise"), ("prompt", "none")]).await.code();
}

#[tokio::test]
async fn scopes_come_in_any_order_and_an_unknown_one_is_left_out() {
    let (_, party, session) = scene().await;
    for (asked, granted) in [
        ("email openid", "openid email"),
        ("phone profile openid", "openid profile phone"),
        ("openid address", "openid"),
    ] {
        let sent = party.authorize(Some(&session.refresh_token), &[("scope", asked)]).await;
        let tokens = tokens(&party, &sent).await;
        assert_eq!(tokens["scope"], granted, "{asked}");
        assert_eq!(claims(tokens["access_token"].as_str().unwrap())["scope"], granted, "{asked}");
    }
}

#[tokio::test]
async fn userinfo_answers_a_post_with_the_token_in_its_header() {
    let (_, party, session) = scene().await;
    let tokens = tokens(&party, &party.authorize(Some(&session.refresh_token), &[]).await).await;
    let access = tokens["access_token"].as_str().unwrap();
    let bearer = format!("Bearer {access}");
    let posted = party.post_as("/oauth/userinfo", &[], Some(&bearer)).await.expect(200);
    assert_eq!(posted, party.user_info(access).await.expect(200));
    assert_eq!(posted["sub"], session.user["id"]);
    // A token in the body isn't read: headers alone keep it out of what servers keep of requests.
    assert_eq!(party.post_as("/oauth/userinfo", &[("access_token", access)], None).await.status, 401);
}

#[tokio::test]
async fn a_request_without_a_response_type_or_with_a_request_object_is_refused() {
    let (_, party, session) = scene().await;
    let unsigned = "eyJhbGciOiJub25lIn0.eyJyZWRpcmVjdF91cmkiOiJodHRwczovL2V2aWwuZXhhbXBsZSJ9.";
    for (change, error) in
        [(("response_type", ""), "invalid_request"), (("request", unsigned), "request_not_supported")]
    {
        party.authorize(Some(&session.refresh_token), &[change]).await.expect_error(error);
    }
}

#[tokio::test]
async fn discovery_has_what_the_standard_requires_and_names_only_what_works() {
    let client = Stack::shared().await.client();
    let discovery = client.get("/.well-known/openid-configuration").await.expect(200);
    for (name, value) in [
        ("issuer", json!(client.api)),
        ("response_types_supported", json!(["code"])),
        ("response_modes_supported", json!(["query"])),
        ("grant_types_supported", json!(["authorization_code", "refresh_token"])),
        ("subject_types_supported", json!(["public"])),
        ("id_token_signing_alg_values_supported", json!(["RS256"])),
        ("token_endpoint_auth_methods_supported", json!(["client_secret_basic", "client_secret_post", "none"])),
        ("claims_parameter_supported", json!(false)),
        ("request_parameter_supported", json!(false)),
        ("request_uri_parameter_supported", json!(false)),
    ] {
        assert_eq!(discovery[name], value, "{name}");
    }
    let scopes: Vec<&str> =
        discovery["scopes_supported"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let (_, party, session) = scene().await;
    let sent = party.authorize(Some(&session.refresh_token), &[("scope", &scopes.join(" "))]).await;
    let tokens = tokens(&party, &sent).await;
    assert_eq!(tokens["scope"], scopes.join(" "));
    let named = discovery["claims_supported"].as_array().unwrap();
    for name in id_token(&tokens).as_object().unwrap().keys() {
        assert!(named.iter().any(|claim| claim == name), "{name} is in ID tokens and not in discovery");
    }
    // Keys for signatures, without their secret halves.
    let keys = client.get("/.well-known/jwks.json").await.expect(200);
    for key in keys["keys"].as_array().unwrap() {
        assert_eq!((&key["kty"], &key["use"], &key["alg"]), (&json!("RSA"), &json!("sig"), &json!("RS256")));
        assert!(key["kid"].is_string() && key["d"].is_null());
    }
}
