//! OpenID Connect: sign-in to a client, its tokens, and how they end.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use twostep_tests::{
    Answer, Client, OTHER_PASSWORD, PASSWORD, SignedIn, Stack, claims, fresh_email, fresh_phone,
    relying_party::{AFTER_LOGOUT, REDIRECT_URI, RelyingParty, VERIFIER, encode},
};

async fn website() -> (&'static Stack, Client, RelyingParty) {
    website_of("web").await
}

async fn website_of(kind: &str) -> (&'static Stack, Client, RelyingParty) {
    let stack = Stack::shared().await;
    let client = stack.client();
    let party = RelyingParty::register(&client, &stack.admin_key().await, kind).await;
    (stack, client, party)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

#[track_caller]
fn expect_oauth_error(answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status, answer.body["error"].as_str()), (status, Some(error)), "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_session_signs_its_user_in_to_a_client() {
    let (stack, client, party) = website().await;
    let phone = fresh_phone();
    let session = client.register(&phone).await;
    let sent = party.authorize(Some(&session.refresh_token), &[]).await;
    let parameters = sent.parameters();
    assert_eq!((parameters["state"].as_str(), &parameters["iss"]), ("the state", &client.api));
    assert_eq!(sent.set_cookie, None);
    let answer = party.exchange(&sent.code()).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let tokens = answer.expect(200);
    assert_eq!((text(&tokens, "token_type"), &tokens["expires_in"]), ("Bearer", &json!(600)));
    assert_eq!(text(&tokens, "scope"), "openid profile email phone offline_access");

    let id = claims(text(&tokens, "id_token"));
    for (name, value) in [
        ("iss", json!(client.api)),
        ("sub", session.user["id"].clone()),
        ("aud", json!(party.id)),
        ("nonce", json!("the nonce")),
        ("amr", json!(["sms"])),
        ("acr", json!("aal1")),
        ("name", json!("Ada Lovelace")),
        ("email", session.user["email"].clone()),
        ("email_verified", json!(false)),
        ("phone_number", json!(phone)),
        ("phone_number_verified", json!(true)),
    ] {
        assert_eq!(id[name], value, "{name}");
    }
    assert_eq!(id["exp"].as_i64().unwrap() - id["iat"].as_i64().unwrap(), 600);
    assert_eq!(id["auth_time"], claims(&session.access_token)["auth_time"]);
    assert_eq!(text(&id, "at_hash").len(), 22);

    let access = claims(text(&tokens, "access_token"));
    assert_eq!((&access["client_id"], &access["aud"]), (&json!(party.id), &json!("twostep")));
    assert_eq!(text(&access, "scope"), "openid profile email phone offline_access");
    assert_eq!(claims(&session.access_token)["scope"], "openid profile email phone");

    // The browser's session was neither used up nor ended.
    client.refresh(&session.refresh_token).await.expect(200);
    assert!(!stack.log().contains(party.secret.as_deref().unwrap()), "the client's secret is in the log");
}

#[tokio::test]
async fn scopes_decide_what_a_client_learns() {
    let (_, client, party) = website().await;
    let session = client.register(&fresh_phone()).await;
    let sent = party.authorize(Some(&session.refresh_token), &[("scope", "openid email groups")]).await;
    let tokens = party.exchange(&sent.code()).await.expect(200);
    assert_eq!((text(&tokens, "scope"), &tokens["refresh_token"]), ("openid email", &Value::Null));
    let id = claims(text(&tokens, "id_token"));
    assert_eq!((&id["email"], &id["name"], &id["phone_number"]), (&session.user["email"], &Value::Null, &Value::Null));
    let about = party.user_info(text(&tokens, "access_token")).await.expect(200);
    let expected = json!({"sub": session.user["id"], "email": session.user["email"], "email_verified": false});
    assert_eq!(about, expected);
}

#[tokio::test]
async fn a_client_learns_that_an_address_is_verified() {
    let (_, client, party) = website().await;
    let account = json!({"name": "Grace Hopper", "email": fresh_email(), "password": PASSWORD});
    let registered = client.post("/register/password", account).await.expect(201);
    client.verify_email(&registered).await;
    let session = SignedIn::from_session(&registered);
    let sent = party.authorize(Some(&session.refresh_token), &[("scope", "openid email")]).await;
    let tokens = party.exchange(&sent.code()).await.expect(200);
    assert_eq!(claims(text(&tokens, "id_token"))["email_verified"], true);
    assert_eq!(party.user_info(text(&tokens, "access_token")).await.expect(200)["email_verified"], true);
}

#[tokio::test]
async fn a_browser_without_a_session_goes_through_the_pages_and_back() {
    let (_, client, party) = website().await;
    let changes = [("login_hint", "ada@example.com"), ("ui_locales", "es en")];
    let asked = party.authorize(None, &changes).await;
    assert_eq!((asked.status, asked.address()), (302, "/login"));
    let parameters = asked.parameters();
    assert_eq!((parameters["hint"].as_str(), parameters["lang"].as_str()), ("ada@example.com", "es"));
    let pending = &parameters["continue"];
    let back = format!("/oauth/authorize?{}", encode(&[("request", pending)]));
    assert_eq!(party.browse(&back, None).await.address(), "/login", "nobody has signed in yet");
    assert_eq!(party.browse(&back, Some("noise")).await.address(), "/login");

    let session = client.register(&fresh_phone()).await;
    let sent = party.browse(&back, Some(&session.refresh_token)).await;
    assert_eq!(sent.parameters()["state"], "the state");
    party.exchange(&sent.code()).await.expect(200);

    for tampered in [format!("{pending}x"), pending.replacen('.', ".A", 1), "x.y".to_owned(), String::new()] {
        let path = format!("/oauth/authorize?{}", encode(&[("request", &tampered)]));
        let sent = party.browse(&path, Some(&session.refresh_token)).await;
        assert_eq!((sent.status, sent.location.as_str()), (400, ""), "{tampered}");
    }
}

#[tokio::test]
async fn codes_sign_ins_and_pending_requests_grow_old() {
    let stack = Stack::start(&[]).await;
    let client = stack.client();
    let party = RelyingParty::register(&client, &stack.admin_key().await, "web").await;
    let pending = party.authorize(None, &[]).await.parameters()["continue"].clone();
    let session = client.register(&fresh_phone()).await;
    let code = party.authorize(Some(&session.refresh_token), &[]).await.code();
    let used = party.authorize(Some(&session.refresh_token), &[]).await.code();
    let tokens = party.exchange(&used).await.expect(200);
    stack.advance(30);
    expect_oauth_error(&party.exchange(&used).await, 400, "invalid_grant");
    expect_oauth_error(&party.refresh(text(&tokens, "refresh_token")).await, 400, "invalid_grant");
    let asked = party.authorize(Some(&session.refresh_token), &[("max_age", "1")]).await;
    assert_eq!((asked.address(), asked.parameters()["ask"].as_str()), ("/login", "again"));
    let _ = party.authorize(Some(&session.refresh_token), &[("max_age", "10000")]).await.code();
    stack.advance(31);
    expect_oauth_error(&party.exchange(&code).await, 400, "invalid_grant");
    stack.advance(3600);
    let back = format!("/oauth/authorize?{}", encode(&[("request", &pending)]));
    party.browse(&back, Some(&session.refresh_token)).await.expect_error("invalid_request");
}

#[tokio::test]
async fn the_prompt_the_age_and_the_level_of_a_sign_in_are_respected() {
    let (_, client, party) = website().await;
    party.authorize(None, &[("prompt", "none")]).await.expect_error("login_required");
    let email = fresh_email();
    let session = client.register_password(&email, PASSWORD).await;
    let with = async |changes: &[(&str, &str)]| party.authorize(Some(&session.refresh_token), changes).await;
    let _ = with(&[("prompt", "none")]).await.code();
    let _ = with(&[("max_age", "3600")]).await.code();
    with(&[("prompt", "none"), ("acr_values", "aal2")]).await.expect_error("login_required");

    for demand in [("prompt", "login"), ("max_age", "0")] {
        let asked = with(&[demand]).await;
        assert_eq!((asked.address(), asked.parameters()["ask"].as_str()), ("/login", "again"), "{demand:?}");
        let back = format!("/oauth/authorize?{}", encode(&[("request", &asked.parameters()["continue"])]));
        assert_eq!(party.browse(&back, Some(&session.refresh_token)).await.address(), "/login", "the old session");
        let again = SignedIn::from_session(&client.log_in(&email, PASSWORD).await.expect(200));
        let _ = party.browse(&back, Some(&again.refresh_token)).await.code();
    }

    // The account has no second step yet, so the profile asks for one; the code turns the session into a two-step one.
    let asked = with(&[("acr_values", "aal2")]).await;
    assert_eq!((asked.address(), asked.parameters()["ask"].as_str()), ("/profile", "two-step"));
    let phone = fresh_phone();
    let challenge = client.set_phone(&session, &phone).await.expect(202);
    client.verify(&challenge, &client.code(&phone).await).await.expect(200);
    let back = format!("/oauth/authorize?{}", encode(&[("request", &asked.parameters()["continue"])]));
    let tokens = party.exchange(&party.browse(&back, Some(&session.refresh_token)).await.code()).await.expect(200);
    let id = claims(text(&tokens, "id_token"));
    assert_eq!((&id["acr"], &id["amr"]), (&json!("aal2"), &json!(["pwd", "sms", "mfa"])));

    // A session of the phone alone has to sign in with both steps.
    let earlier = client.inbox(&phone).await.len();
    let challenge = client.start("/login/phone", &phone).await.expect(202);
    let verified = client.verify(&challenge, &client.nth_code(&phone, earlier + 1).await).await.expect(200);
    let one_step = SignedIn::from_session(&verified);
    let asked = party.authorize(Some(&one_step.refresh_token), &[("acr_values", "aal2")]).await;
    assert_eq!((asked.address(), asked.parameters()["ask"].as_str()), ("/login", "two-step"));
}

#[tokio::test]
async fn mistakes_go_back_to_the_client_unless_it_is_unknown() {
    let (_, client, party) = website().await;
    let session = client.register(&fresh_phone()).await;
    let with = async |changes: &[(&str, &str)]| party.authorize(Some(&session.refresh_token), changes).await;
    for (wrong, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "profile"), "invalid_scope"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("prompt", "none login"), "invalid_request"),
        (("request_uri", "https://evil.example"), "request_uri_not_supported"),
    ] {
        let sent = with(&[wrong]).await;
        sent.expect_error(error);
        assert_eq!(sent.parameters()["state"], "the state");
    }
    let other = RelyingParty::register(&client, &Stack::shared().await.admin_key().await, "web").await;
    for wrong in [
        ("client_id", "unknown"),
        ("client_id", ""),
        ("redirect_uri", ""),
        ("redirect_uri", "https://shop.example/callback/"),
        ("redirect_uri", "https://shop.example/callback?x=1"),
        ("redirect_uri", "https://shop.example:443/callback"),
        ("redirect_uri", "https://SHOP.example/callback"),
        ("redirect_uri", "https://shop.example./callback"),
        ("redirect_uri", "https://shop.example/callback#f"),
        ("redirect_uri", "https://shop.example%2f@evil.example/callback"),
        ("redirect_uri", "https://shop.example@evil.example/callback"),
        ("redirect_uri", "https://shop.example.evil.example/callback"),
        ("redirect_uri", "http://shop.example/callback"),
        ("redirect_uri", "javascript:alert(1)"),
    ] {
        let sent = with(&[wrong]).await;
        assert_eq!((sent.status, sent.location.as_str()), (400, ""), "{wrong:?}");
    }
    let twice = format!("/oauth/authorize?{}&client_id={}", party.request(&[]), other.id);
    assert_eq!(party.browse(&twice, None).await.status, 400);
}

#[tokio::test]
async fn a_code_belongs_to_its_client_its_address_and_its_verifier() {
    let (stack, client, party) = website().await;
    let other = RelyingParty::register(&client, &stack.admin_key().await, "web").await;
    let session = client.register(&fresh_phone()).await;
    let code = party.authorize(Some(&session.refresh_token), &[]).await.code();
    let long = "a".repeat(43);
    for (wrong, error) in [
        (("redirect_uri", "https://shop.example/other"), "invalid_grant"),
        (("redirect_uri", ""), "invalid_request"),
        (("code_verifier", long.as_str()), "invalid_grant"),
        (("code_verifier", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), "invalid_grant"),
        (("code_verifier", ""), "invalid_request"),
        (("grant_type", "password"), "unsupported_grant_type"),
        (("grant_type", ""), "invalid_request"),
        (("code", "noise"), "invalid_grant"),
    ] {
        expect_oauth_error(&party.exchange_with(&code, &[wrong]).await, 400, error);
    }
    expect_oauth_error(&other.exchange(&code).await, 400, "invalid_grant");
    party.exchange(&code).await.expect(200);
}

#[tokio::test]
async fn a_second_use_of_a_code_ends_what_the_first_gave() {
    let (_, client, party) = website().await;
    let session = client.register(&fresh_phone()).await;
    let code = party.authorize(Some(&session.refresh_token), &[]).await.code();
    let tokens = party.exchange(&code).await.expect(200);
    party.user_info(text(&tokens, "access_token")).await.expect(200);
    expect_oauth_error(&party.exchange(&code).await, 400, "invalid_grant");
    expect_oauth_error(&party.refresh(text(&tokens, "refresh_token")).await, 400, "invalid_grant");
    expect_oauth_error(&party.user_info(text(&tokens, "access_token")).await, 401, "invalid_token");
    client.refresh(&session.refresh_token).await.expect(200);
}

#[tokio::test]
async fn of_32_parallel_exchanges_one_wins_and_then_ends() {
    let (_, client, party) = website().await;
    let session = client.register(&fresh_phone()).await;
    let code = party.authorize(Some(&session.refresh_token), &[]).await.code();
    let mut race = JoinSet::new();
    for _ in 0..32 {
        let (party, code) = (party.clone(), code.clone());
        race.spawn(async move { party.exchange(&code).await });
    }
    let answers = race.join_all().await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    let [won] = won.as_slice() else { panic!("{} won", won.len()) };
    for answer in &lost {
        expect_oauth_error(answer, 400, "invalid_grant");
    }
    expect_oauth_error(&party.refresh(text(&won.body, "refresh_token")).await, 400, "invalid_grant");
}

#[tokio::test]
async fn refresh_tokens_rotate_and_a_used_one_ends_its_family() {
    let (stack, client, party) = website().await;
    let other = RelyingParty::register(&client, &stack.admin_key().await, "web").await;
    let session = client.register(&fresh_phone()).await;
    let first = party.sign_in(&session.refresh_token).await;
    expect_oauth_error(&other.refresh(text(&first, "refresh_token")).await, 400, "invalid_grant");
    let second = party.refresh(text(&first, "refresh_token")).await.expect(200);
    let id = claims(text(&second, "id_token"));
    assert_eq!((&id["sub"], &id["nonce"]), (&session.user["id"], &Value::Null));
    let narrow =
        [("grant_type", "refresh_token"), ("refresh_token", text(&second, "refresh_token")), ("scope", "openid email")];
    let third = party.post("/oauth/token", &narrow).await.expect(200);
    assert_eq!(text(&third, "scope"), "openid email");
    let about = party.user_info(text(&third, "access_token")).await.expect(200);
    assert_eq!(about.get("phone_number"), None);
    expect_oauth_error(&party.refresh(text(&first, "refresh_token")).await, 400, "invalid_grant");
    expect_oauth_error(&party.refresh(text(&third, "refresh_token")).await, 400, "invalid_grant");

    // Neither kind of refresh token works at the other's address.
    let tokens = party.sign_in(&session.refresh_token).await;
    client.refresh(text(&tokens, "refresh_token")).await.expect_problem(401, "invalid_refresh_token");
    expect_oauth_error(&party.refresh(&session.refresh_token).await, 400, "invalid_grant");
    client.refresh(&session.refresh_token).await.expect(200);
}

#[tokio::test]
async fn a_client_s_tokens_end_with_the_session_and_with_a_new_password() {
    let (_, client, party) = website().await;
    let email = fresh_email();
    let session = client.register_password(&email, PASSWORD).await;
    let tokens = party.sign_in(&session.refresh_token).await;
    let code = party.authorize(Some(&session.refresh_token), &[]).await.code();
    let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD}).to_string();
    let changed = client.send(Method::PUT, "/profile/password", Some(&session.access_token), Some(body)).await;
    changed.expect(204);
    expect_oauth_error(&party.exchange(&code).await, 400, "invalid_grant");
    expect_oauth_error(&party.user_info(text(&tokens, "access_token")).await, 401, "invalid_token");
    expect_oauth_error(&party.refresh(text(&tokens, "refresh_token")).await, 400, "invalid_grant");

    // The session that changed the password lives on, and can sign in to the client again.
    let tokens = party.sign_in(&session.refresh_token).await;
    let code = party.authorize(Some(&session.refresh_token), &[]).await.code();
    client.post("/session/logout", json!({"refresh_token": session.refresh_token})).await.expect(204);
    expect_oauth_error(&party.exchange(&code).await, 400, "invalid_grant");
    expect_oauth_error(&party.refresh(text(&tokens, "refresh_token")).await, 400, "invalid_grant");
    expect_oauth_error(&party.user_info(text(&tokens, "access_token")).await, 401, "invalid_token");
}

#[tokio::test]
async fn a_user_sees_what_a_client_holds_and_ends_it() {
    let (_, client, party) = website().await;
    let session = client.register_password(&fresh_email(), PASSWORD).await;
    let tokens = party.sign_in(&session.refresh_token).await;
    let list = async || {
        let answer = client.send(Method::GET, "/profile/sessions", Some(&session.access_token), None).await;
        answer.expect(200).as_array().unwrap().clone()
    };
    let seen = list().await;
    let (held, own): (Vec<_>, Vec<_>) = seen.iter().partition(|entry| entry["client_id"] == party.id);
    let ([held], [own]) = (held.as_slice(), own.as_slice()) else { panic!("{seen:?}") };
    assert_eq!((&own["current"], &held["current"]), (&json!(true), &json!(false)));
    let path = format!("/profile/sessions/{}", text(held, "id"));
    client.send(Method::DELETE, &path, Some(&session.access_token), None).await.expect(204);
    assert_eq!(list().await.len(), 1);
    expect_oauth_error(&party.refresh(text(&tokens, "refresh_token")).await, 400, "invalid_grant");
    expect_oauth_error(&party.user_info(text(&tokens, "access_token")).await, 401, "invalid_token");
    client.refresh(&session.refresh_token).await.expect(200);
}

#[tokio::test]
async fn a_client_s_token_opens_no_account_and_an_id_token_opens_nothing() {
    let (_, client, party) = website().await;
    let session = client.register(&fresh_phone()).await;
    let tokens = party.sign_in(&session.refresh_token).await;
    for token in ["access_token", "id_token"] {
        client.profile(text(&tokens, token)).await.expect_problem(401, "invalid_token");
    }
    expect_oauth_error(&party.user_info(text(&tokens, "id_token")).await, 401, "invalid_token");
    let refused = party.user_info("noise").await;
    assert_eq!(refused.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    // The session's own token has the scope openid too.
    assert_eq!(party.user_info(&session.access_token).await.expect(200)["sub"], session.user["id"]);
}

#[tokio::test]
async fn clients_authenticate_in_three_ways_and_in_one_at_a_time() {
    let (_, client, party) = website().await;
    let session = client.register(&fresh_phone()).await;
    let (id, secret) = (party.id.as_str(), party.secret.as_deref().unwrap());
    let code = party.authorize(Some(&session.refresh_token), &[]).await.code();
    let base = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let nothing = party.post_as("/oauth/token", &base, None).await;
    expect_oauth_error(&nothing, 401, "invalid_client");
    let named: Vec<_> = base.iter().copied().chain([("client_id", id)]).collect();
    expect_oauth_error(&party.post_as("/oauth/token", &named, None).await, 401, "invalid_client");
    let wrong: Vec<_> = named.iter().copied().chain([("client_secret", VALID_FORM)]).collect();
    expect_oauth_error(&party.post_as("/oauth/token", &wrong, None).await, 401, "invalid_client");
    let refused = party.post_as("/oauth/token", &base, Some("Basic bm9ib2R5Om5vdGhpbmc=")).await;
    expect_oauth_error(&refused, 401, "invalid_client");
    assert_eq!(refused.header("www-authenticate"), Some("Basic"));
    let both: Vec<_> = base.iter().copied().chain([("client_secret", secret)]).collect();
    let refused = party.post_as("/oauth/token", &both, Some(&party.basic())).await;
    expect_oauth_error(&refused, 400, "invalid_request");
    let posted: Vec<_> = named.iter().copied().chain([("client_secret", secret)]).collect();
    party.post_as("/oauth/token", &posted, None).await.expect(200);

    let (_, _, page) = website_of("spa").await;
    assert_eq!(page.secret, None);
    let tokens = page.sign_in(&session.refresh_token).await;
    page.refresh(text(&tokens, "refresh_token")).await.expect(200);
    let form = [("token", "x"), ("client_id", page.id.as_str())];
    expect_oauth_error(&page.post_as("/oauth/introspect", &form, None).await, 401, "invalid_client");
    expect_oauth_error(&page.post_as("/oauth/introspect", &[("token", "x")], None).await, 401, "invalid_client");
}

/// 32 bytes in base64url, like a secret.
const VALID_FORM: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[tokio::test]
async fn tokens_can_be_inspected_and_revoked_by_the_right_clients() {
    let (stack, client, party) = website().await;
    let admin_key = stack.admin_key().await;
    let other = RelyingParty::register(&client, &admin_key, "web").await;
    let server = RelyingParty::register(&client, &admin_key, "server").await;
    let session = client.register(&fresh_phone()).await;
    let tokens = party.sign_in(&session.refresh_token).await;
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    for asks in [&party, &server] {
        let seen = asks.introspect(access).await.expect(200);
        assert_eq!((&seen["active"], &seen["client_id"]), (&json!(true), &json!(party.id)));
        assert_eq!((&seen["sub"], &seen["scope"]), (&session.user["id"], &tokens["scope"]));
    }
    assert_eq!(party.introspect(refresh).await.expect(200)["active"], true);
    let inactive = json!({"active": false});
    assert_eq!(other.introspect(access).await.expect(200), inactive);
    assert_eq!(other.introspect(refresh).await.expect(200), inactive);
    assert_eq!(party.introspect("noise").await.expect(200), inactive);
    assert_eq!(server.introspect(&session.access_token).await.expect(200)["active"], true);

    other.post("/oauth/revoke", &[("token", refresh)]).await.expect(200);
    assert_eq!(party.introspect(access).await.expect(200)["active"], true, "another client's revocation");
    party.post("/oauth/revoke", &[("token", "noise")]).await.expect(200);
    party.post("/oauth/revoke", &[("token", refresh), ("token_type_hint", "refresh_token")]).await.expect(200);
    assert_eq!(party.introspect(access).await.expect(200), inactive);
    expect_oauth_error(&party.refresh(refresh).await, 400, "invalid_grant");

    let tokens = party.sign_in(&session.refresh_token).await;
    party.post("/oauth/revoke", &[("token", text(&tokens, "access_token"))]).await.expect(200);
    expect_oauth_error(&party.refresh(text(&tokens, "refresh_token")).await, 400, "invalid_grant");
    client.refresh(&session.refresh_token).await.expect(200);
}

#[tokio::test]
async fn a_sign_out_ends_the_session_and_returns_only_to_a_registered_address() {
    let (stack, client, party) = website().await;
    let other = RelyingParty::register(&client, &stack.admin_key().await, "web").await;
    let out = async |parameters: &[(&str, &str)], token: Option<&str>| {
        party.browse(&format!("/oauth/logout?{}", encode(parameters)), token).await
    };
    let phone = fresh_phone();
    let session = client.register(&phone).await;
    let tokens = party.sign_in(&session.refresh_token).await;
    let hint = text(&tokens, "id_token");
    let parameters = [("id_token_hint", hint), ("post_logout_redirect_uri", AFTER_LOGOUT), ("state", "a&b")];
    let sent = out(&parameters, Some(&session.refresh_token)).await;
    assert_eq!((sent.status, sent.location.as_str()), (302, format!("{AFTER_LOGOUT}?state=a%26b").as_str()));
    assert!(sent.set_cookie.unwrap().starts_with("twostep-refresh=; Path=/; Max-Age=0;"));
    client.refresh(&session.refresh_token).await.expect_problem(401, "invalid_refresh_token");
    expect_oauth_error(&party.refresh(text(&tokens, "refresh_token")).await, 400, "invalid_grant");

    // The user sees it, once, among what happened to the account.
    let challenge = client.start("/login/phone", &phone).await.expect(202);
    let again = SignedIn::from_session(&client.verify(&challenge, &client.nth_code(&phone, 2).await).await.expect(200));
    let seen = client.send(Method::GET, "/profile/activity", Some(&again.access_token), None).await.expect(200);
    let seen: Vec<_> = seen["items"].as_array().unwrap().iter().map(|entry| text(entry, "event")).collect();
    assert_eq!(seen, ["signed_in", "signed_out", "registered"]);

    // The hint alone ends its session; another user's session stays.
    let (ann, bob) = (client.register(&fresh_phone()).await, client.register(&fresh_phone()).await);
    let tokens = party.sign_in(&ann.refresh_token).await;
    let sent = out(&[("id_token_hint", text(&tokens, "id_token"))], Some(&bob.refresh_token)).await;
    assert_eq!((sent.location.as_str(), sent.set_cookie), ("/", None));
    client.refresh(&ann.refresh_token).await.expect_problem(401, "invalid_refresh_token");
    let bob = SignedIn::from_session(&client.refresh(&bob.refresh_token).await.expect(200));

    for wrong in [
        vec![("client_id", party.id.as_str()), ("post_logout_redirect_uri", "https://evil.example/")],
        vec![("client_id", party.id.as_str()), ("post_logout_redirect_uri", REDIRECT_URI)],
        vec![("post_logout_redirect_uri", AFTER_LOGOUT)],
        vec![("id_token_hint", hint), ("client_id", other.id.as_str()), ("post_logout_redirect_uri", AFTER_LOGOUT)],
        vec![("id_token_hint", "forged"), ("post_logout_redirect_uri", AFTER_LOGOUT)],
    ] {
        let sent = out(&wrong, None).await;
        assert_eq!((sent.status, sent.location.as_str()), (400, ""), "{wrong:?}");
    }
    let named = [("client_id", party.id.as_str()), ("post_logout_redirect_uri", AFTER_LOGOUT)];
    assert_eq!(out(&named, Some(&bob.refresh_token)).await.location, AFTER_LOGOUT);
    client.refresh(&bob.refresh_token).await.expect_problem(401, "invalid_refresh_token");
}

#[tokio::test]
async fn discovery_is_complete_at_both_addresses() {
    let client = Stack::shared().await.client();
    let configuration = client.get("/.well-known/openid-configuration").await.expect(200);
    assert_eq!(client.get("/.well-known/oauth-authorization-server").await.expect(200), configuration);
    let endpoint = |name: &str| format!("{}/oauth/{name}", client.api);
    assert_eq!(configuration["issuer"], client.api);
    for (name, path) in [
        ("authorization_endpoint", "authorize"),
        ("token_endpoint", "token"),
        ("userinfo_endpoint", "userinfo"),
        ("revocation_endpoint", "revoke"),
        ("introspection_endpoint", "introspect"),
        ("end_session_endpoint", "logout"),
    ] {
        assert_eq!(configuration[name], endpoint(path), "{name}");
    }
    assert_eq!(configuration["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(configuration["authorization_response_iss_parameter_supported"], true);
}
