//! Email: codes that verify addresses, notices of changes, and the provider's faults.

use reqwest::Method;
use serde_json::{Value, json};
use twostep_tests::{
    Answer, Client, OTHER_PASSWORD, PASSWORD, SignedIn, Stack, claims, code_in_email, eventually, fresh_email,
    fresh_phone, other_than,
};

use crate::delivery::ONE_FAULT;

async fn put_email(client: &Client, session: &SignedIn, email: &str) -> Answer {
    let body = json!({ "email": email }).to_string();
    client.send(Method::PUT, "/profile/email", Some(&session.access_token), Some(body)).await
}

async fn register(client: &Client, email: &str) -> (Value, SignedIn) {
    let body = json!({"name": "Grace", "email": email, "password": PASSWORD});
    let session = client.post("/register/password", body).await.expect(201);
    let signed_in = SignedIn::from_session(&session);
    (session, signed_in)
}

/// The subjects of the notices to `email`, newest first.
async fn notices(client: &Client, email: &str) -> Vec<String> {
    let emails = client.emails(email).await;
    let text = |email: &Value| email["content"].as_str().unwrap().to_owned();
    emails.iter().filter(|email| email["subject"] == "Your Example account was changed").map(text).collect()
}

async fn notified(client: &Client, email: &str, what: &str) {
    eventually(what, async || notices(client, email).await.iter().any(|text| text.starts_with(what)).then_some(()))
        .await;
}

#[tokio::test]
async fn a_registration_sends_a_code_that_verifies_the_address() {
    let client = Stack::shared().await.client();
    assert_eq!(client.get("/site").await.expect(200)["email_enabled"], true);
    let email = fresh_email();
    let (session, _) = register(&client, &email).await;
    let challenge = &session["email_challenge"];
    assert_eq!((&challenge["purpose"], &challenge["channel"]), (&json!("email"), &json!("email")));
    assert_eq!((&challenge["hint"], &challenge["phone_hint"]), (&json!("a•••@e•••.com"), &Value::Null));
    assert_eq!(session["user"]["email_verified"], false);

    let received = client.nth_email(&email, 1).await;
    assert_eq!((&received["to"], &received["channel"]), (&json!(email), &json!("email")));
    assert_eq!(received["from"], "\"Example\" <no-reply@example.com>");
    assert!(received["subject"].is_string() && received["received_at"].is_string());
    let code = code_in_email(&received).unwrap();
    assert!(received["html"].as_str().unwrap().contains(&code));
    for part in ["subject", "content", "html"] {
        assert!(!received[part].as_str().unwrap().contains("http"), "no links: {received}");
    }
    client.delivery_becomes(challenge, "sent").await;
    client.verify(challenge, other_than(&code)).await.expect_problem(401, "wrong_code");
    let verified = client.verify(challenge, &code).await.expect(200);
    assert_eq!(verified["outcome"], "email_verified");
    assert_eq!(verified["user"]["email_verified"], true);
    assert_eq!(verified.as_object().unwrap().len(), 2, "{verified}");
    client.verify(challenge, &code).await.expect_problem(410, "code_used");

    let phone = client.start("/register/phone", &fresh_phone()).await.expect(202);
    assert_eq!((&phone["channel"], &phone["hint"]), (&json!("sms"), &phone["phone_hint"]));
}

#[tokio::test]
async fn emails_are_in_the_language_of_the_request() {
    let client = Stack::shared().await.client();
    let email = fresh_email();
    let body = json!({"name": "Grace", "email": email, "password": PASSWORD}).to_string();
    client.send_with(Method::POST, "/register/password", &[("accept-language", "es-MX")], Some(body)).await.expect(201);
    let received = client.nth_email(&email, 1).await;
    assert_eq!(received["subject"], "Tu código de Example");
    assert!(received["html"].as_str().unwrap().contains("lang=\"es\""));
}

#[tokio::test]
async fn the_present_address_is_verified_in_any_live_session() {
    let stack = Stack::start(&[]).await;
    let client = stack.client();
    let email = fresh_email();
    let (_, session) = register(&client, &email).await;
    client.nth_email(&email, 1).await;
    stack.advance(360);
    let session = SignedIn::from_session(&client.refresh(&session.refresh_token).await.expect(200));
    put_email(&client, &session, &fresh_email()).await.expect_problem(401, "reauth_required");
    let challenge = put_email(&client, &session, &email).await.expect(202);
    let code = client.nth_email_code(&email, 2).await;
    client.post("/session/logout", json!({"refresh_token": session.refresh_token})).await.expect(204);
    client.verify(&challenge, &code).await.expect_problem(410, "code_expired");
    put_email(&client, &session, &email).await.expect_problem(401, "invalid_token");
}

#[tokio::test]
async fn a_new_address_counts_after_its_code_and_both_addresses_are_told() {
    let client = Stack::shared().await.client();
    let (old, new) = (fresh_email(), fresh_email());
    let (body, session) = register(&client, &old).await;
    client.verify_email(&body).await;
    let elsewhere = SignedIn::from_session(&client.log_in(&old, PASSWORD).await.expect(200));

    let patch = json!({ "email": new }).to_string();
    let patch = client.send(Method::PATCH, "/profile", Some(&session.access_token), Some(patch)).await;
    patch.expect_problem(409, "email_needs_verification");
    assert_eq!(patch.body["field"], "email");

    let challenge = put_email(&client, &session, &new).await.expect(202);
    assert_eq!(client.profile(&session.access_token).await.expect(200)["email"], old, "nothing has changed yet");
    let verified = client.verify(&challenge, &client.nth_email_code(&new, 1).await).await.expect(200);
    assert_eq!((&verified["user"]["email"], &verified["user"]["email_verified"]), (&json!(new), &json!(true)));
    for address in [&old, &new] {
        notified(&client, address, "The email address of your account was changed.").await;
    }
    client.log_in(&old, PASSWORD).await.expect_problem(401, "invalid_credentials");
    client.refresh(&elsewhere.refresh_token).await.expect_problem(401, "invalid_refresh_token");
    client.refresh(&session.refresh_token).await.expect(200);
    client.log_in(&new, PASSWORD).await.expect(200);
    register(&client, &old).await;
}

#[tokio::test]
async fn that_an_address_is_taken_is_told_only_after_its_code() {
    let client = Stack::shared().await.client();
    let (taken, mine) = (fresh_email(), fresh_email());
    register(&client, &taken).await;
    client.nth_email(&taken, 1).await;
    let (_, session) = register(&client, &mine).await;
    let challenge = put_email(&client, &session, &taken).await.expect(202);
    let code = client.nth_email_code(&taken, 2).await;
    client.verify(&challenge, other_than(&code)).await.expect_problem(401, "wrong_code");
    client.verify(&challenge, &code).await.expect_problem(409, "email_taken");
    assert_eq!(client.profile(&session.access_token).await.expect(200)["email"], mine);
}

#[tokio::test]
async fn invalid_requests_send_nothing() {
    let client = Stack::shared().await.client();
    let (_, session) = register(&client, &fresh_email()).await;
    put_email(&client, &session, "x").await.expect_problem(400, "invalid_email");
    let no_token = client.send(Method::PUT, "/profile/email", None, Some(json!({"email": "a@b.co"}).to_string())).await;
    no_token.expect_problem(401, "invalid_token");
    let two = json!({"email": "a@b.co", "phone": "+14155552671"}).to_string();
    let two = client.send(Method::PUT, "/profile/email", Some(&session.access_token), Some(two)).await;
    two.expect_problem(400, "invalid_request");
}

#[tokio::test]
async fn an_account_asks_for_ten_new_addresses_a_day() {
    let client = Stack::shared().await.client();
    let email = fresh_email();
    let (_, session) = register(&client, &email).await;
    for _ in 0..10 {
        put_email(&client, &session, &fresh_email()).await.expect(202);
    }
    put_email(&client, &session, &fresh_email()).await.expect_problem(429, "too_many_requests");
    put_email(&client, &session, &email).await.expect(202);
}

#[tokio::test]
async fn an_address_gets_five_codes_an_hour_whoever_asks() {
    let stack = Stack::start(&[]).await;
    let client = stack.client();
    let victim = fresh_email();
    let mut challenges = Vec::new();
    for _ in 0..6 {
        let (_, session) = register(&client, &fresh_email()).await;
        let challenge = put_email(&client, &session, &victim).await.expect(202);
        client.delivery_becomes(&challenge, if challenges.len() < 5 { "sent" } else { "failed" }).await;
        challenges.push(challenge);
    }
    assert_eq!(client.challenge(&challenges[5]).await.expect(200)["failure"], "too_many_codes");
    assert_eq!(client.emails(&victim).await.len(), 5);
    stack.advance(3_600);
    let (_, session) = register(&client, &fresh_email()).await;
    let challenge = put_email(&client, &session, &victim).await.expect(202);
    client.delivery_becomes(&challenge, "sent").await;
}

#[tokio::test]
async fn the_hourly_budget_holds_back_codes_and_never_notices() {
    let stack = Stack::start(&[]).await;
    let client = stack.client();
    let email = fresh_email();
    let (body, session) = register(&client, &email).await;
    client.verify_email(&body).await;
    let admin = stack.admin_key().await;
    let put = async |change: Value| client.send(Method::PUT, "/settings", Some(&admin), Some(change.to_string())).await;
    assert_eq!(put(json!({"email_per_hour": 1})).await.expect(200)["email_per_hour"], 1);
    put(json!({"email_per_hour": 0})).await.expect_problem(400, "invalid_setting");
    put(json!({"phone_idle_days": 4_000})).await.expect_problem(400, "invalid_setting");
    stack.advance(31);
    let (late, _) = register(&client, &fresh_email()).await;
    client.delivery_becomes(&late["email_challenge"], "failed").await;
    assert_eq!(client.challenge(&late["email_challenge"]).await.expect(200)["failure"], "budget_spent");

    let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD}).to_string();
    client.send(Method::PUT, "/profile/password", Some(&session.access_token), Some(change)).await.expect(204);
    notified(&client, &email, "The password of your account was changed.").await;
}

#[tokio::test]
async fn every_change_of_security_is_told_to_the_verified_address() {
    let client = Stack::shared().await.client();
    let (email, phone) = (fresh_email(), fresh_phone());
    let (body, session) = register(&client, &email).await;
    client.verify_email(&body).await;
    let challenge = client.set_phone(&session, &phone).await.expect(202);
    client.verify(&challenge, &client.code(&phone).await).await.expect(200);
    notified(&client, &email, "The phone number of your account was changed.").await;
    client.send(Method::POST, "/profile/recovery-codes", Some(&session.access_token), None).await.expect(200);
    notified(&client, &email, "New recovery codes were made").await;
    client.send(Method::DELETE, "/profile/phone", Some(&session.access_token), None).await.expect(204);
    notified(&client, &email, "The phone number was removed").await;

    let unverified = fresh_email();
    let (_, session) = register(&client, &unverified).await;
    let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD}).to_string();
    client.send(Method::PUT, "/profile/password", Some(&session.access_token), Some(change)).await.expect(204);
    client.nth_email(&unverified, 1).await;
    assert_eq!(notices(&client, &unverified).await, [""; 0], "an address that may be anybody's");
}

#[tokio::test]
async fn the_admin_tests_the_sender() {
    let _one = ONE_FAULT.lock().await;
    let stack = Stack::shared().await;
    let (client, admin) = (stack.client(), stack.admin_key().await);
    let test = async |token: &str, email: &str| {
        let body = json!({ "email": email }).to_string();
        client.send(Method::POST, "/settings/test-email", Some(token), Some(body)).await
    };
    let email = fresh_email();
    let sent = test(&admin, &email).await.expect(200);
    assert_eq!(sent["delivery"], "sent");
    assert_eq!(client.nth_email(&email, 1).await["message_id"], sent["message_id"]);
    test("wrong", &email).await.expect_problem(401, "invalid_admin_key");
    test(&admin, "x").await.expect_problem(400, "invalid_email");
    for mode in [
        "unavailable_503",
        "rate_limited",
        "bad_key",
        "no_credit",
        "invalid_destination",
        "opted_out",
        "unknown_error_999",
        "html_502",
        "error_with_200",
        "connection_reset",
        "drop_after_accept",
    ] {
        let refused = fresh_email();
        client.set_fault(json!({"mode": mode, "to": refused})).await;
        let answer = test(&admin, &refused).await;
        answer.expect_problem(422, "email_failed");
        assert!(answer.body["detail"].as_str().unwrap().starts_with("SES"), "{mode}: {}", answer.body);
    }
    client.set_fault(json!({"mode": "none"})).await;
}

#[tokio::test]
async fn the_provider_s_faults_end_as_for_messages() {
    let _one = ONE_FAULT.lock().await;
    let client = Stack::shared().await.client();
    for (mode, delivery, failure, emails) in [
        ("slow", "sent", None, 1),
        ("no_credit", "failed", Some("account_refused"), 0),
        ("bad_key", "failed", Some("account_refused"), 0),
        ("invalid_destination", "failed", Some("number_refused"), 0),
        ("connection_reset", "unknown", None, 0),
        ("drop_after_accept", "unknown", None, 1),
        ("html_502", "unknown", None, 0),
        ("error_with_200", "unknown", None, 0),
    ] {
        let email = fresh_email();
        client.set_fault(json!({"mode": mode, "to": email})).await;
        let (session, _) = register(&client, &email).await;
        let challenge = &session["email_challenge"];
        client.delivery_becomes(challenge, delivery).await;
        assert_eq!(client.challenge(challenge).await.expect(200)["failure"].as_str(), failure, "{mode}");
        assert_eq!(client.emails(&email).await.len(), emails, "{mode}");
    }
    // SES certainly took nothing, so the stream brings the email again.
    for mode in ["unavailable_503", "rate_limited"] {
        let email = fresh_email();
        client.set_fault(json!({"mode": mode, "to": email, "count": 2})).await;
        let (session, _) = register(&client, &email).await;
        client.verify_email(&session).await;
        assert_eq!(client.emails(&email).await.len(), 1, "{mode}");
    }
    client.set_fault(json!({"mode": "none"})).await;
}

#[tokio::test]
async fn a_fault_can_be_limited_to_one_channel() {
    let _one = ONE_FAULT.lock().await;
    let client = Stack::shared().await.client();
    let (email, phone) = (fresh_email(), fresh_phone());
    client.set_fault(json!({"mode": "no_credit", "channel": "email", "to": email})).await;
    let (session, signed_in) = register(&client, &email).await;
    client.delivery_becomes(&session["email_challenge"], "failed").await;
    client.set_phone(&signed_in, &phone).await.expect(202);
    client.code(&phone).await;
    client.set_fault(json!({"mode": "none"})).await;
}

#[tokio::test]
async fn without_a_sender_email_is_off() {
    let stack = Stack::start(&[("EMAIL_FROM", "")]).await;
    let client = stack.client();
    assert_eq!(client.get("/site").await.expect(200)["email_enabled"], false);
    let (session, signed_in) = register(&client, &fresh_email()).await;
    assert!(session.get("email_challenge").is_none(), "{session}");
    put_email(&client, &signed_in, &fresh_email()).await.expect_problem(503, "email_disabled");
    client.post("/password/forgot", json!({"email": fresh_email()})).await.expect_problem(503, "email_disabled");
    let body = json!({"email": fresh_email()}).to_string();
    let test = client.send(Method::POST, "/settings/test-email", Some(&stack.admin_key().await), Some(body)).await;
    test.expect_problem(503, "email_disabled");
    assert_eq!(claims(&signed_in.access_token)["amr"], json!(["pwd"]));
}
