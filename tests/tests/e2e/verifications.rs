//! The verification API, for servers that keep their own accounts.

use reqwest::Method;
use serde_json::{Value, json};
use twostep_tests::{Answer, Client, Stack, fresh_phone, other_than, relying_party::RelyingParty};

async fn server() -> (&'static Stack, Client, RelyingParty) {
    let stack = Stack::shared().await;
    let client = stack.client();
    let server = RelyingParty::register(&client, &stack.admin_key().await, "server").await;
    (stack, client, server)
}

async fn start(server: &RelyingParty, body: Value) -> Answer {
    server.call(Method::POST, "/v1/verifications", Some(body)).await
}

fn path(verification: &Value, action: &str) -> String {
    format!("/v1/verifications/{}{action}", verification["verification_id"].as_str().expect("an ID"))
}

async fn check(server: &RelyingParty, verification: &Value, code: &str) -> Answer {
    server.call(Method::POST, &path(verification, "/check"), Some(json!({ "code": code }))).await
}

#[tokio::test]
async fn a_number_is_verified_without_an_account() {
    let (stack, client, server) = server().await;
    let phone = fresh_phone();
    let reference = "order 7 · señora";
    let body = json!({"phone": phone, "reference": reference, "end_user_ip": "203.0.113.7", "language": "en"});
    let started = start(&server, body).await.expect(202);
    assert_eq!((&started["hint"], &started["code_length"]), (&json!(format!("•••{}", &phone[10..])), &json!(6)));
    assert_eq!(started["delivery"], "pending");
    let code = client.code(&phone).await;
    twostep_tests::eventually("delivery", async || {
        let shown = server.call(Method::GET, &path(&started, ""), None).await.expect(200);
        (shown["delivery"] == "sent").then_some(())
    })
    .await;
    let wrong = check(&server, &started, other_than(&code)).await;
    wrong.expect_problem(401, "wrong_code");
    assert_eq!(wrong.body["attempts_left"], 4);
    let verified = check(&server, &started, &code).await.expect(200);
    assert_eq!(
        (&verified["outcome"], &verified["phone"], &verified["reference"]),
        (&json!("verified"), &json!(phone), &json!(reference))
    );
    assert!(verified["verified_at"].as_str().unwrap().ends_with('Z'));
    check(&server, &started, &code).await.expect_problem(410, "code_used");

    // The number stays free here.
    client.register(&phone).await;
    assert!(!stack.log().contains("señora"), "the reference is in the log");
}

#[tokio::test]
async fn a_client_sees_only_its_own_verifications() {
    let (stack, client, server) = server().await;
    let other = RelyingParty::register(&client, &stack.admin_key().await, "server").await;
    let phone = fresh_phone();
    let started = start(&server, json!({ "phone": phone })).await.expect(202);
    let code = client.code(&phone).await;
    check(&other, &started, &code).await.expect_problem(404, "unknown_challenge");
    other.call(Method::GET, &path(&started, ""), None).await.expect_problem(404, "unknown_challenge");
    other.call(Method::POST, &path(&started, "/resend"), None).await.expect_problem(404, "unknown_challenge");

    // The public routes know nothing of it, and the client knows nothing of theirs.
    let public = json!({ "challenge_id": started["verification_id"] });
    client.verify(&public, &code).await.expect_problem(404, "unknown_challenge");
    client.resend(&public).await.expect_problem(404, "unknown_challenge");
    client.challenge(&public).await.expect_problem(404, "unknown_challenge");
    let login = client.start("/register/phone", &fresh_phone()).await.expect(202);
    let foreign = json!({ "verification_id": login["challenge_id"] });
    check(&server, &foreign, &code).await.expect_problem(404, "unknown_challenge");
    server.call(Method::GET, &path(&foreign, ""), None).await.expect_problem(404, "unknown_challenge");

    // Each client has a code of its own for the number.
    let theirs = start(&other, json!({ "phone": phone })).await.expect(202);
    assert_ne!(theirs["verification_id"], started["verification_id"]);
    check(&server, &started, &code).await.expect(200);
}

#[tokio::test]
async fn only_server_clients_with_their_secret_get_in() {
    let (stack, client, server) = server().await;
    let key = stack.admin_key().await;
    let website = RelyingParty::register(&client, &key, "web").await;
    let page = RelyingParty::register(&client, &key, "spa").await;
    let forged = server.with_secret(&"A".repeat(43));
    for stranger in [&website, &page, &forged] {
        let answer = start(stranger, json!({ "phone": fresh_phone() })).await;
        answer.expect_problem(401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), Some("Basic"));
    }
    let body = json!({ "phone": fresh_phone() });
    client.post("/verifications", body.clone()).await.expect_problem(401, "invalid_client");
    let bearer = client.send(Method::POST, "/verifications", Some(&key), Some(body.to_string())).await;
    bearer.expect_problem(401, "invalid_client");
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let (_, _, server) = server().await;
    let phone = fresh_phone();
    for (body, code) in [
        (json!({"phone": "415"}), "invalid_phone"),
        (json!({"phone": "+18005550199"}), "phone_not_allowed"),
        (json!({}), "invalid_request"),
        (json!({"phone": phone, "reference": "x".repeat(201)}), "invalid_request"),
        (json!({"phone": phone, "reference": "a\u{0}b"}), "invalid_request"),
        (json!({"phone": phone, "language": "ko"}), "invalid_request"),
        (json!({"phone": phone, "end_user_ip": "localhost"}), "invalid_request"),
        (json!({"phone": phone, "purpose": "login"}), "invalid_request"),
    ] {
        start(&server, body).await.expect_problem(400, code);
    }
    let started = start(&server, json!({ "phone": phone })).await.expect(202);
    check(&server, &started, "12345").await.expect_problem(400, "invalid_code_format");
    check(&server, &json!({"verification_id": "AAAA"}), "123456").await.expect_problem(404, "unknown_challenge");
    let resent = server.call(Method::POST, &path(&started, "/resend"), None).await;
    resent.expect_problem(429, "too_many_codes");
}

#[tokio::test]
async fn a_repeated_start_keeps_the_code_and_takes_the_new_reference() {
    let (_, client, server) = server().await;
    let phone = fresh_phone();
    let first = start(&server, json!({"phone": phone, "reference": "one"})).await.expect(202);
    let code = client.code(&phone).await;
    let second = start(&server, json!({"phone": phone, "reference": "two"})).await.expect(202);
    assert_eq!(first["verification_id"], second["verification_id"]);
    assert_eq!(client.inbox(&phone).await.len(), 1);
    assert_eq!(check(&server, &first, &code).await.expect(200)["reference"], "two");
}

#[tokio::test]
async fn the_message_is_in_the_language_of_the_user() {
    let (_, client, server) = server().await;
    let phone = fresh_phone();
    start(&server, json!({"phone": phone, "language": "es-MX"})).await.expect(202);
    let messages = twostep_tests::eventually("a message", async || {
        let messages = client.inbox(&phone).await;
        (!messages.is_empty()).then_some(messages)
    })
    .await;
    assert!(messages[0]["content"].as_str().unwrap().contains("tu clave es"), "{messages:?}");
}

#[tokio::test]
async fn a_client_without_user_addresses_has_an_hourly_limit() {
    let stack = Stack::start(&[("LIMITS", "deployed"), ("THROTTLES", "off")]).await;
    let (client, key) = (stack.client(), stack.admin_key().await);
    let server = RelyingParty::register(&client, &key, "server").await;
    let other = RelyingParty::register(&client, &key, "server").await;
    let body = json!({"limits": {"client_hour": 2, "address_hour": 2, "address_day": 2}}).to_string();
    let changed = client.send(Method::PUT, "/settings", Some(&key), Some(body)).await.expect(200);
    assert_eq!(changed["limits"]["client_hour"], 2);
    // The functions may have cached the former settings.
    stack.advance(31);
    for _ in 0..2 {
        start(&server, json!({ "phone": fresh_phone() })).await.expect(202);
    }
    start(&server, json!({ "phone": fresh_phone() })).await.expect_problem(429, "too_many_requests");
    start(&other, json!({ "phone": fresh_phone() })).await.expect(202);
    // A user's address has a limit of its own.
    let from = |ip: &str| json!({"phone": fresh_phone(), "end_user_ip": ip});
    for ip in ["203.0.113.7", "203.0.113.7", "2001:db8::1"] {
        start(&server, from(ip)).await.expect(202);
    }
    start(&server, from("203.0.113.7")).await.expect_problem(429, "too_many_requests");
    stack.advance(3601);
    start(&server, json!({ "phone": fresh_phone() })).await.expect(202);
}

#[tokio::test]
async fn wrong_secrets_are_limited_by_client_ip_and_the_right_one_gets_in() {
    let stack = Stack::start(&[("LIMITS", "deployed"), ("THROTTLES", "off")]).await;
    let (client, key) = (stack.client(), stack.admin_key().await);
    let server = RelyingParty::register(&client, &key, "server").await;
    let website = RelyingParty::register(&client, &key, "web").await;
    let forged = server.with_secret(&"A".repeat(43));
    let refused = guessed(async || start(&forged, json!({ "phone": fresh_phone() })).await).await;
    refused.expect_problem(429, "too_many_requests");
    let forged = website.with_secret(&"A".repeat(43));
    let refused = guessed(async || forged.introspect("x").await).await;
    assert_eq!(refused.body["error"], "too_many_requests");
    assert!(refused.header("retry-after").is_some());
    website.introspect("x").await.expect(200);
    start(&server, json!({ "phone": fresh_phone() })).await.expect(202);
}

/// Guesses until guesses are limited. The backoff grows, so on a slow machine the first ones can be over before the next.
async fn guessed(guess: impl AsyncFn() -> Answer) -> Answer {
    for _ in 0..100 {
        let answer = guess().await;
        if answer.status == 429 {
            return answer;
        }
        assert_eq!(answer.status, 401, "{}", answer.body);
    }
    panic!("guesses are not limited");
}
