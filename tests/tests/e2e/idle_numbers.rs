//! Numbers that were not used for long may have a new owner.

use reqwest::Method;
use serde_json::{Value, json};
use twostep_tests::{Answer, Client, PASSWORD, SignedIn, Stack, claims, eventually, fresh_email, fresh_phone};

const DAY: i64 = 86_400;

async fn confirm(client: &Client, idle: &Value, proof: Value) -> Answer {
    let mut body = proof;
    body["registration_token"] = idle["registration_token"].clone();
    client.post("/login/confirm", body).await
}

/// Enters the code of a new challenge at `path`.
async fn enter(client: &Client, path: &str, phone: &str) -> Value {
    let earlier = client.inbox(phone).await.len();
    let challenge = client.start(path, phone).await.expect(202);
    client.verify(&challenge, &client.nth_code(phone, earlier + 1).await).await.expect(200)
}

async fn signs_in(client: &Client, phone: &str) {
    let signed_in = enter(client, "/login/phone", phone).await;
    assert_eq!(signed_in["outcome"], "signed_in", "{signed_in}");
}

fn is_idle(verified: &Value, confirm_with: &Value) {
    assert_eq!((&verified["outcome"], &verified["expires_in"]), (&json!("phone_idle"), &json!(900)), "{verified}");
    assert_eq!(&verified["confirm_with"], confirm_with);
    assert_eq!(verified.as_object().unwrap().len(), 4, "{verified}");
}

#[tokio::test]
async fn an_idle_number_signs_in_only_with_something_else_of_the_account() {
    let stack = Stack::start(&[]).await;
    let client = stack.client();
    let (phone, unused) = (fresh_phone(), fresh_phone());
    let (email, codes) = client.register_two_step(&phone, PASSWORD).await;
    client.register(&unused).await;
    stack.advance(179 * DAY);
    signs_in(&client, &phone).await;
    stack.advance(2 * DAY);
    signs_in(&client, &phone).await;
    is_idle(&enter(&client, "/login/phone", &unused).await, &json!([]));

    stack.advance(181 * DAY);
    let idle = enter(&client, "/login/phone", &phone).await;
    is_idle(&idle, &json!(["password", "recovery_code"]));
    confirm(&client, &idle, json!({"password": "wrong"})).await.expect_problem(401, "invalid_credentials");
    let wrong = confirm(&client, &idle, json!({"recovery_code": "0000-0000-0000-0000"})).await;
    wrong.expect_problem(401, "wrong_code");
    assert_eq!(wrong.body["attempts_left"], 3);
    confirm(&client, &idle, json!({"totp": "123456"})).await.expect_problem(401, "wrong_code");
    confirm(&client, &idle, json!({"totp": "12345"})).await.expect_problem(400, "invalid_code_format");
    confirm(&client, &idle, json!({"recovery_code": "x"})).await.expect_problem(400, "invalid_code_format");
    confirm(&client, &idle, json!({})).await.expect_problem(400, "invalid_request");
    let signed_in = confirm(&client, &idle, json!({"password": PASSWORD})).await.expect(200);
    assert_eq!(claims(signed_in["access_token"].as_str().unwrap())["amr"], json!(["sms", "pwd", "mfa"]));
    confirm(&client, &idle, json!({"password": PASSWORD})).await.expect_problem(401, "invalid_registration_token");
    signs_in(&client, &phone).await;
    assert_eq!(signed_in["user"]["email"], email);

    stack.advance(181 * DAY);
    let idle = enter(&client, "/register/phone", &phone).await;
    is_idle(&idle, &json!(["password", "recovery_code"]));
    let signed_in = confirm(&client, &idle, json!({"recovery_code": codes[0]})).await.expect(200);
    assert_eq!(claims(signed_in["access_token"].as_str().unwrap())["amr"], json!(["sms", "otp", "mfa"]));
    let idle = json!({"registration_token": "x"});
    confirm(&client, &idle, json!({"password": PASSWORD})).await.expect_problem(401, "invalid_registration_token");
}

#[tokio::test]
async fn the_new_owner_of_a_number_gets_an_account_of_their_own() {
    let stack = Stack::start(&[]).await;
    let client = stack.client();
    let (phone, old_email) = (fresh_phone(), fresh_email());
    let body = json!({"name": "Grace", "email": old_email, "password": PASSWORD});
    let old = client.post("/register/password", body).await.expect(201);
    client.verify_email(&old).await;
    let session = SignedIn::from_session(&old);
    let challenge = client.set_phone(&session, &phone).await.expect(202);
    client.verify(&challenge, &client.code(&phone).await).await.expect(200);
    stack.advance(181 * DAY);

    let idle = enter(&client, "/login/phone", &phone).await;
    let email = fresh_email();
    let body = json!({"registration_token": idle["registration_token"], "name": "New", "email": email});
    let new = client.post("/register/complete", body).await.expect(201);
    assert_ne!(new["user"]["id"], old["user"]["id"]);
    assert_eq!((&new["user"]["phone"], &new["user"]["name"]), (&json!(phone), &json!("New")));
    client.refresh(&session.refresh_token).await.expect_problem(401, "invalid_refresh_token");
    let told = async || {
        let emails = client.emails(&old_email).await;
        let is_notice = |email: &Value| email["content"].as_str().unwrap().contains("registered by its new owner");
        emails.iter().any(is_notice).then_some(())
    };
    eventually("the notice", told).await;
    let signed_in = client.log_in(&old_email, PASSWORD).await.expect(200);
    assert_eq!((&signed_in["user"]["phone"], &signed_in["user"]["two_step"]), (&Value::Null, &json!(false)));
    let by_phone = enter(&client, "/login/phone", &phone).await;
    assert_eq!(by_phone["user"]["id"], new["user"]["id"]);
}

#[tokio::test]
async fn a_refresh_counts_as_a_use() {
    let stack = Stack::start(&[]).await;
    let client = stack.client();
    let phone = fresh_phone();
    let session = client.register(&phone).await;
    stack.advance(2 * DAY);
    client.refresh(&session.refresh_token).await.expect(200);
    stack.advance(179 * DAY);
    signs_in(&client, &phone).await;
}

#[tokio::test]
async fn a_reset_does_not_open_an_idle_account_to_its_number_alone() {
    let stack = Stack::start(&[]).await;
    let client = stack.client();
    let phone = fresh_phone();
    client.register(&phone).await;
    stack.advance(181 * DAY);
    let challenge = client.post("/password/forgot", json!({"phone": phone})).await.expect(202);
    let verified = client.verify(&challenge, &client.nth_code(&phone, 2).await).await.expect(200);
    assert_eq!((&verified["outcome"], &verified["challenge"]["channel"]), (&json!("second_step"), &json!("none")));

    let admin = stack.admin_key().await;
    let off = json!({"phone_idle_days": 0}).to_string();
    assert_eq!(client.send(Method::PUT, "/settings", Some(&admin), Some(off)).await.expect(200)["phone_idle_days"], 0);
    stack.advance(31);
    signs_in(&client, &phone).await;
}
