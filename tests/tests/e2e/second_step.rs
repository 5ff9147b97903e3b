//! The second step after a password: by SMS, by recovery code, or skipped on a remembered device.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use twostep_tests::{Answer, Client, OTHER_PASSWORD, PASSWORD, SignedIn, Stack, claims, fresh_phone, other_than};

async fn enter(client: &Client, challenge: &Value, body: Value) -> Answer {
    client.post(&format!("/codes/{}/verify", challenge["challenge_id"].as_str().unwrap()), body).await
}

async fn log_in_with_device(client: &Client, email: &str, token: &str) -> Answer {
    client.post("/login/password", json!({"email": email, "password": PASSWORD, "device_token": token})).await
}

#[tokio::test]
async fn an_account_with_a_verified_number_needs_a_code_after_the_password() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let (email, codes) = client.register_two_step(&phone, PASSWORD).await;
    assert_eq!(codes.len(), 10);
    let before = client.inbox(&phone).await.len();
    client.log_in(&email, OTHER_PASSWORD).await.expect_problem(401, "invalid_credentials");

    let challenge = client.log_in(&email, PASSWORD).await.expect(202);
    assert_eq!(challenge["purpose"], "second_step");
    assert!(challenge.get("access_token").is_none(), "a password alone gives no token");
    client.profile(challenge["challenge_id"].as_str().unwrap()).await.expect_problem(401, "invalid_token");
    let again = client.log_in(&email, PASSWORD).await.expect(202);
    assert_eq!(again["challenge_id"], challenge["challenge_id"]);
    let code = client.nth_code(&phone, before + 1).await;
    client.delivery_becomes(&challenge, "delivered").await;
    assert_eq!(
        client.inbox(&phone).await.len(),
        before + 1,
        "neither a wrong password nor a second correct one sends a message"
    );

    client.verify(&challenge, other_than(&code)).await.expect_problem(401, "wrong_code");
    let session = SignedIn::from_session(&client.verify(&challenge, &code).await.expect(200));
    let claims = claims(&session.access_token);
    assert_eq!((&claims["amr"], &claims["mfa_time"]), (&json!(["pwd", "sms", "mfa"]), &claims["auth_time"]));
    client.verify(&challenge, &code).await.expect_problem(410, "code_used");
}

#[tokio::test]
async fn a_recovery_code_replaces_the_phone_once() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let (email, codes) = client.register_two_step(&phone, PASSWORD).await;
    let challenge = client.log_in(&email, PASSWORD).await.expect(202);
    let nonsense = enter(&client, &challenge, json!({"recovery_code": "nonsense"})).await;
    nonsense.expect_problem(400, "invalid_code_format");
    assert_eq!(nonsense.body["field"], "recovery_code");
    let wrong = enter(&client, &challenge, json!({"recovery_code": "0000-0000-0000-0000"})).await;
    wrong.expect_problem(401, "wrong_code");
    assert_eq!(wrong.body["attempts_left"], 4, "wrong recovery codes count like wrong codes");
    enter(&client, &challenge, json!({})).await.expect_problem(400, "invalid_request");
    let both = json!({"recovery_code": codes[0], "code": "123456"});
    enter(&client, &challenge, both).await.expect_problem(400, "invalid_request");
    let session = enter(&client, &challenge, json!({"recovery_code": codes[0].to_lowercase()})).await.expect(200);
    let session = SignedIn::from_session(&session);
    assert_eq!(claims(&session.access_token)["amr"], json!(["pwd", "otp", "mfa"]));

    let challenge = client.log_in(&email, PASSWORD).await.expect(202);
    enter(&client, &challenge, json!({"recovery_code": codes[0]})).await.expect_problem(401, "wrong_code");
    let new = client.send(Method::POST, "/profile/recovery-codes", Some(&session.access_token), None).await.expect(200);
    assert_eq!(new["recovery_codes"].as_array().unwrap().len(), 10);
    enter(&client, &challenge, json!({"recovery_code": codes[1]})).await.expect_problem(401, "wrong_code");
    enter(&client, &challenge, json!({"recovery_code": new["recovery_codes"][0]})).await.expect(200);
}

#[tokio::test]
async fn a_recovery_code_in_thirty_two_parallel_requests_signs_in_once() {
    let client = Stack::shared().await.client();
    let (email, codes) = client.register_two_step(&fresh_phone(), PASSWORD).await;
    let challenge = client.log_in(&email, PASSWORD).await.expect(202);
    let mut race = JoinSet::new();
    for _ in 0..32 {
        let (client, challenge, code) = (client.clone(), challenge.clone(), codes[0].clone());
        race.spawn(async move { enter(&client, &challenge, json!({"recovery_code": code})).await.status });
    }
    let outcomes = race.join_all().await;
    assert_eq!(outcomes.iter().filter(|status| **status == 200).count(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|status| matches!(status, 200 | 401 | 410)), "{outcomes:?}");
}

#[tokio::test]
async fn recovery_codes_and_devices_work_only_in_a_second_step() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let session = client.register_password(&twostep_tests::fresh_email(), PASSWORD).await;
    let new = client.send(Method::POST, "/profile/recovery-codes", Some(&session.access_token), None).await;
    new.expect_problem(409, "two_step_off");
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    let code = client.code(&phone).await;
    enter(&client, &challenge, json!({"recovery_code": "0000-0000-0000-0000"}))
        .await
        .expect_problem(400, "invalid_request");
    enter(&client, &challenge, json!({"code": code, "remember_device": true}))
        .await
        .expect_problem(400, "invalid_request");
    enter(&client, &challenge, json!({"code": code})).await.expect(200);
}

#[tokio::test]
async fn a_remembered_device_skips_the_second_step_until_it_is_removed() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let (email, _) = client.register_two_step(&phone, PASSWORD).await;
    let before = client.inbox(&phone).await.len();
    let challenge = client.log_in(&email, PASSWORD).await.expect(202);
    let code = client.nth_code(&phone, before + 1).await;
    let first = enter(&client, &challenge, json!({"code": code, "remember_device": true})).await.expect(200);
    let device_token = first["device_token"].as_str().unwrap();
    let entered = claims(first["access_token"].as_str().unwrap())["mfa_time"].clone();

    let spared = SignedIn::from_session(&log_in_with_device(&client, &email, device_token).await.expect(200));
    let token = claims(&spared.access_token);
    assert_eq!((&token["amr"], &token["mfa_time"]), (&json!(["pwd", "sms", "mfa"]), &entered));
    assert_eq!(client.inbox(&phone).await.len(), before + 1, "no message");

    let devices = client.send(Method::GET, "/profile/devices", Some(&spared.access_token), None).await.expect(200);
    let [device] = devices.as_array().unwrap().as_slice() else { panic!("{devices}") };
    let mut parts: Vec<&String> = device.as_object().unwrap().keys().collect();
    parts.sort();
    assert_eq!(parts, ["created_at", "expires_at", "id", "last_used_at", "name"]);
    let path = format!("/profile/devices/{}", device["id"].as_str().unwrap());
    client.send(Method::DELETE, &path, Some(&spared.access_token), None).await.expect(204);
    client.send(Method::DELETE, &path, Some(&spared.access_token), None).await.expect_problem(404, "unknown_device");
    log_in_with_device(&client, &email, device_token).await.expect(202);
}

#[tokio::test]
async fn a_device_works_only_for_its_account_and_until_the_password_changes() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let (email, _) = client.register_two_step(&phone, PASSWORD).await;
    let (other, _) = client.register_two_step(&fresh_phone(), PASSWORD).await;
    let before = client.inbox(&phone).await.len();
    let challenge = client.log_in(&email, PASSWORD).await.expect(202);
    let code = client.nth_code(&phone, before + 1).await;
    let session = enter(&client, &challenge, json!({"code": code, "remember_device": true})).await.expect(200);
    let token = session["device_token"].as_str().unwrap();
    log_in_with_device(&client, &other, token).await.expect(202);
    // The last character has four significant bits, so one token in sixteen ends in `A`.
    let other_end = if token.ends_with('A') { "E" } else { "A" };
    for forged in ["", "x.y", &format!("{}{other_end}", &token[..token.len() - 1]), &token.replace('.', "")] {
        log_in_with_device(&client, &email, forged).await.expect(202);
    }
    let mut race = JoinSet::new();
    for _ in 0..32 {
        let (client, email, token) = (client.clone(), email.clone(), token.to_owned());
        race.spawn(async move { log_in_with_device(&client, &email, &token).await.status });
    }
    let outcomes = race.join_all().await;
    assert!(outcomes.contains(&200), "{outcomes:?}");
    assert!(outcomes.iter().all(|status| matches!(status, 200 | 429 | 503)), "{outcomes:?}");

    let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD}).to_string();
    let changed = twostep_tests::eventually("the end of the wait", async || {
        let answer =
            client.send(Method::PUT, "/profile/password", session["access_token"].as_str(), Some(body.clone())).await;
        (answer.status != 429).then_some(answer)
    })
    .await;
    changed.expect(204);
    let answer = client
        .post("/login/password", json!({"email": email, "password": OTHER_PASSWORD, "device_token": token}))
        .await;
    answer.expect(202);
}
