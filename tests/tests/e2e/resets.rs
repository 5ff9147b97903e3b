//! Forgotten passwords.

use reqwest::Method;
use serde_json::{Value, json};
use twostep_tests::{
    Answer, Client, OTHER_PASSWORD, PASSWORD, SignedIn, Stack, claims, eventually, fresh_email, fresh_phone, other_than,
};

async fn forgot(client: &Client, body: Value) -> Answer {
    client.post("/password/forgot", body).await
}

async fn reset(client: &Client, verified: &Value, password: &str) -> Answer {
    client.post("/password/reset", json!({"reset_token": verified["reset_token"], "new_password": password})).await
}

async fn register(client: &Client, email: &str) -> Value {
    let body = json!({"name": "Grace", "email": email, "password": PASSWORD});
    client.post("/register/password", body).await.expect(201)
}

/// A user with a verified address, a password and a number: the address and the recovery codes.
async fn two_step(client: &Client, phone: &str) -> (String, Vec<String>) {
    let email = fresh_email();
    let session = register(client, &email).await;
    client.verify_email(&session).await;
    let challenge = client.set_phone(&SignedIn::from_session(&session), phone).await.expect(202);
    let verified = client.verify(&challenge, &client.code(phone).await).await.expect(200);
    let codes = verified["recovery_codes"].as_array().unwrap().iter();
    (email, codes.map(|code| code.as_str().unwrap().to_owned()).collect())
}

/// The second proof that a first one leads to.
fn second_step(verified: &Value) -> Value {
    assert_eq!(verified["outcome"], "second_step", "{verified}");
    assert_eq!(verified["challenge"]["purpose"], "reset_second_step");
    verified["challenge"].clone()
}

fn may_reset(verified: &Value) {
    assert_eq!((&verified["outcome"], &verified["expires_in"]), (&json!("may_reset"), &json!(900)), "{verified}");
    assert!(verified["reset_token"].is_string());
}

/// Waits for code number `count`.
async fn email_code(client: &Client, email: &str, count: usize) -> String {
    client.nth_email_code(email, count).await
}

#[tokio::test]
async fn without_a_second_factor_a_code_by_email_is_enough_and_verifies_the_address() {
    let client = Stack::shared().await.client();
    for verified in [true, false] {
        let email = fresh_email();
        let session = register(&client, &email).await;
        client.nth_email(&email, 1).await;
        if verified {
            client.verify_email(&session).await;
        }
        let challenge = forgot(&client, json!({"email": email.to_uppercase()})).await.expect(202);
        assert_eq!((&challenge["purpose"], &challenge["channel"]), (&json!("reset"), &json!("email")));
        assert_eq!((&challenge["hint"], &challenge["delivery"]), (&json!("a•••@e•••.com"), &json!("sent")));
        let granted = client.verify(&challenge, &email_code(&client, &email, 2).await).await.expect(200);
        may_reset(&granted);
        let weak = reset(&client, &granted, "password").await;
        weak.expect_problem(400, "weak_password");
        assert_eq!(weak.body["field"], "new_password");
        let new = reset(&client, &granted, OTHER_PASSWORD).await.expect(200);
        assert_eq!(new["user"]["email_verified"], true);
        assert_eq!(claims(new["access_token"].as_str().unwrap())["amr"], json!(["otp"]));
        client.refresh(new["refresh_token"].as_str().unwrap()).await.expect(200);
        client.refresh(session["refresh_token"].as_str().unwrap()).await.expect_problem(401, "invalid_refresh_token");
        client.log_in(&email, PASSWORD).await.expect_problem(401, "invalid_credentials");
        client.log_in(&email, OTHER_PASSWORD).await.expect(200);
        let told = async || {
            let emails = client.emails(&email).await;
            let is_notice =
                |email: &Value| email["content"].as_str().unwrap().contains("password of your account was reset");
            emails.iter().any(is_notice).then_some(())
        };
        eventually("the notice", told).await;
        reset(&client, &granted, PASSWORD).await.expect_problem(401, "invalid_reset_token");
    }
}

#[tokio::test]
async fn a_two_step_account_needs_two_different_proofs() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let (email, codes) = two_step(&client, &phone).await;
    let emailed = async |count| email_code(&client, &email, count).await;
    // The verification of the address and the notice of the number.
    client.nth_email(&email, 2).await;

    let challenge = forgot(&client, json!({"email": email})).await.expect(202);
    let step = second_step(&client.verify(&challenge, &emailed(2).await).await.expect(200));
    assert_eq!((&step["channel"], &step["phone_hint"]), (&json!("sms"), &json!(format!("•••{}", &phone[10..]))));
    let verify = format!("/codes/{}/verify", step["challenge_id"].as_str().unwrap());
    client
        .post(&verify, json!({"code": "000000", "remember_device": true}))
        .await
        .expect_problem(400, "invalid_request");
    let code = client.nth_code(&phone, 2).await;
    client.verify(&step, other_than(&code)).await.expect_problem(401, "wrong_code");
    let granted = client.verify(&step, &code).await.expect(200);
    may_reset(&granted);
    let new = reset(&client, &granted, OTHER_PASSWORD).await.expect(200);
    assert_eq!(claims(new["access_token"].as_str().unwrap())["amr"], json!(["otp", "sms", "mfa"]));
    let own = SignedIn::from_session(&new);
    let recovery = client.send(Method::POST, "/profile/recovery-codes", Some(&own.access_token), None).await;
    let fresh = recovery.expect(200)["recovery_codes"][0].as_str().unwrap().to_owned();
    eventually("the notices", async || (client.emails(&email).await.len() == 5).then_some(())).await;

    // Started with the number, the second proof goes to the address.
    let challenge = forgot(&client, json!({"phone": phone})).await.expect(202);
    assert_eq!((&challenge["channel"], &challenge["delivery"]), (&json!("sms"), &json!("sent")));
    let code = client.nth_code(&phone, 3).await;
    let step = second_step(&client.verify(&challenge, &code).await.expect(200));
    assert_eq!((&step["channel"], &step["hint"]), (&json!("email"), &json!("a•••@e•••.com")));
    may_reset(&client.verify(&step, &emailed(3).await).await.expect(200));
    client.verify(&challenge, &code).await.expect_problem(410, "code_used");

    // A recovery code in place of the second.
    let verify = format!("/codes/{}/verify", step["challenge_id"].as_str().unwrap());
    client.post(&verify, json!({"recovery_code": codes[0]})).await.expect_problem(410, "code_used");
    let (other, spare) = (fresh_phone(), fresh_email());
    let session = register(&client, &spare).await;
    let challenge = client.set_phone(&SignedIn::from_session(&session), &other).await.expect(202);
    let verified = client.verify(&challenge, &client.code(&other).await).await.expect(200);
    let challenge = forgot(&client, json!({"phone": other})).await.expect(202);
    let step = second_step(&client.verify(&challenge, &client.nth_code(&other, 2).await).await.expect(200));
    assert_eq!((&step["channel"], &step["delivery"]), (&json!("none"), &json!("none")), "the address is not verified");
    assert!(step.get("hint").is_none() && step.get("phone_hint").is_none(), "{step}");
    client.resend(&step).await.expect_problem(410, "code_expired");
    client.verify(&step, "000000").await.expect_problem(400, "invalid_request");
    let verify = format!("/codes/{}/verify", step["challenge_id"].as_str().unwrap());
    client.post(&verify, json!({"recovery_code": fresh})).await.expect_problem(401, "wrong_code");
    let granted = client.post(&verify, json!({"recovery_code": verified["recovery_codes"][0]})).await.expect(200);
    may_reset(&granted);
    let new = reset(&client, &granted, OTHER_PASSWORD).await.expect(200);
    assert_eq!(claims(new["access_token"].as_str().unwrap())["amr"], json!(["sms", "otp", "mfa"]));
    assert_eq!(new["user"]["email_verified"], false);
}

#[tokio::test]
async fn an_account_by_phone_alone_sets_its_first_password() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let session = client.register(&phone).await;
    let challenge = forgot(&client, json!({"phone": phone})).await.expect(202);
    let granted = client.verify(&challenge, &client.nth_code(&phone, 2).await).await.expect(200);
    may_reset(&granted);
    let new = reset(&client, &granted, PASSWORD).await.expect(200);
    assert_eq!(claims(new["access_token"].as_str().unwrap())["amr"], json!(["sms"]));
    let email = session.user["email"].as_str().unwrap();
    assert_eq!(client.log_in(email, PASSWORD).await.expect(202)["purpose"], "second_step");
}

#[tokio::test]
async fn an_address_that_may_be_anybody_s_gets_no_code_for_an_account_with_a_number() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let session = client.register(&phone).await;
    let email = session.user["email"].as_str().unwrap();
    client.nth_email(email, 1).await;
    let challenge = forgot(&client, json!({"email": email})).await.expect(202);
    let unknown = fresh_email();
    let decoy = forgot(&client, json!({"email": unknown})).await.expect(202);
    client.verify(&challenge, "000000").await.expect_problem(401, "wrong_code");
    client.verify(&decoy, "000000").await.expect_problem(401, "wrong_code");
    assert_eq!(client.resend(&decoy).await.status, client.resend(&challenge).await.status);
    // A later email shows that none is on its way.
    let later = fresh_email();
    client.verify_email(&register(&client, &later).await).await;
    assert_eq!((client.emails(email).await.len(), client.emails(&unknown).await.len()), (1, 0));
}

#[tokio::test]
async fn a_mailbox_alone_does_not_open_an_account_by_phone() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    let verified = client.verify(&challenge, &client.code(&phone).await).await.expect(200);
    let email = fresh_email();
    let body = json!({"registration_token": verified["registration_token"], "name": "Ada", "email": email});
    let session = client.post("/register/complete", body).await.expect(201);
    client.verify_email(&session).await;
    let challenge = forgot(&client, json!({"email": email})).await.expect(202);
    second_step(&client.verify(&challenge, &email_code(&client, &email, 2).await).await.expect(200));
}

#[tokio::test]
async fn invalid_requests_are_rejected() {
    let client = Stack::shared().await.client();
    for (body, code) in [
        (json!({"email": "x"}), "invalid_email"),
        (json!({"phone": "x"}), "invalid_phone"),
        (json!({"phone": "+18005550199"}), "phone_not_allowed"),
        (json!({}), "invalid_request"),
        (json!({"email": "a@b.co", "phone": "+14155552671"}), "invalid_request"),
    ] {
        forgot(&client, body).await.expect_problem(400, code);
    }
    for token in ["", "x", "a.b"] {
        let body = json!({"reset_token": token, "new_password": OTHER_PASSWORD});
        client.post("/password/reset", body).await.expect_problem(401, "invalid_reset_token");
    }
    client.post("/password/reset", json!({"reset_token": "x"})).await.expect_problem(400, "invalid_request");
    let foreign = json!({"reset_token": "x", "new_password": OTHER_PASSWORD}).to_string();
    let headers = [("x-session", "cookie"), ("origin", "https://evil.example")];
    let foreign = client.send_with(Method::POST, "/password/reset", &headers, Some(foreign)).await;
    foreign.expect_problem(403, "foreign_origin");
}

#[tokio::test]
async fn a_browser_keeps_the_session_of_a_reset_in_a_cookie() {
    let client = Stack::shared().await.client();
    let email = fresh_email();
    register(&client, &email).await;
    client.nth_email(&email, 1).await;
    let challenge = forgot(&client, json!({"email": email})).await.expect(202);
    let granted = client.verify(&challenge, &email_code(&client, &email, 2).await).await.expect(200);
    let body = json!({"reset_token": granted["reset_token"], "new_password": OTHER_PASSWORD}).to_string();
    let headers = [("x-session", "cookie"), ("origin", client.api.as_str())];
    let answer = client.send_with(Method::POST, "/password/reset", &headers, Some(body)).await;
    assert!(answer.header("set-cookie").is_some_and(|cookie| cookie.contains("refresh")), "{answer:?}");
    assert!(answer.expect(200).get("refresh_token").is_none());
}

#[tokio::test]
async fn every_request_for_a_code_counts_at_the_client_ip() {
    let stack = Stack::start(&[("LIMITS", "deployed"), ("THROTTLES", "off")]).await;
    let client = stack.client();
    let session = SignedIn::from_session(&register(&client, &fresh_email()).await);
    for _ in 0..3 {
        forgot(&client, json!({"phone": fresh_phone()})).await.expect(202);
    }
    for _ in 0..56 {
        forgot(&client, json!({"email": fresh_email()})).await.expect(202);
    }
    let put = async || {
        let body = json!({"email": fresh_email()}).to_string();
        client.send(Method::PUT, "/profile/email", Some(&session.access_token), Some(body)).await
    };
    put().await.expect(202);
    forgot(&client, json!({"phone": fresh_phone()})).await.expect_problem(429, "too_many_requests");
    forgot(&client, json!({"email": fresh_email()})).await.expect_problem(429, "too_many_requests");
    put().await.expect_problem(429, "too_many_requests");
}

#[tokio::test]
async fn without_messages_a_reset_by_phone_is_refused() {
    let stack = Stack::start(&[]).await;
    let client = stack.client();
    let put = async |change: Value| {
        let admin = stack.admin_key().await;
        client.send(Method::PUT, "/settings", Some(&admin), Some(change.to_string())).await.expect(200);
        stack.advance(31);
    };
    put(json!({"two_step_enabled": false})).await;
    forgot(&client, json!({"phone": fresh_phone()})).await.expect_problem(503, "sms_disabled");
    forgot(&client, json!({"email": fresh_email()})).await.expect(202);
}
