//! Registration and sign-in with an email address and a password.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use twostep_tests::{OTHER_PASSWORD, PASSWORD, SignedIn, Stack, claims, fresh_email, fresh_phone};

#[tokio::test]
async fn a_user_registers_with_a_password_and_signs_in() {
    let client = Stack::shared().await.client();
    let email = fresh_email();
    let session = client.register_password(&email, PASSWORD).await;
    assert_eq!((&session.user["phone"], &session.user["two_step"]), (&Value::Null, &json!(false)));
    assert_eq!(claims(&session.access_token)["amr"], json!(["pwd"]));
    let again = SignedIn::from_session(&client.log_in(&email.to_uppercase(), PASSWORD).await.expect(200));
    assert_eq!(again.user, session.user);
    assert_eq!(claims(&again.access_token)["amr"], json!(["pwd"]));
    assert!(claims(&again.access_token).get("mfa_time").is_none());
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_email_get_the_same_response() {
    let client = Stack::shared().await.client();
    let email = fresh_email();
    client.register_password(&email, PASSWORD).await;
    let wrong = client.log_in(&email, OTHER_PASSWORD).await;
    let unknown = client.log_in(&fresh_email(), OTHER_PASSWORD).await;
    wrong.expect_problem(401, "invalid_credentials");
    assert_eq!((wrong.status, &wrong.body), (unknown.status, &unknown.body));
    for nonsense in [client.log_in("no address", OTHER_PASSWORD).await, client.log_in(&email, &"x".repeat(300)).await] {
        nonsense.expect_problem(401, "invalid_credentials");
    }
}

#[tokio::test]
async fn weak_passwords_taken_emails_and_invalid_names_are_rejected() {
    let client = Stack::shared().await.client();
    let email = fresh_email();
    let register = async |name: &str, email: &str, password: &str| {
        client.post("/register/password", json!({"name": name, "email": email, "password": password})).await
    };
    for weak in ["", "short", "password1", "qwertyuiop", "Grace Hopper", &email, &"long".repeat(65)] {
        let answer = register("Grace Hopper", &email, weak).await;
        answer.expect_problem(400, "weak_password");
        assert_eq!(answer.body["field"], "password");
        assert!(answer.body["detail"].as_str().unwrap().len() > 10, "the detail must explain the error");
    }
    register("", &email, PASSWORD).await.expect_problem(400, "invalid_name");
    register("Grace", "grace@", PASSWORD).await.expect_problem(400, "invalid_email");
    register("Grace", &email, PASSWORD).await.expect(201);
    register("Grace", &email.to_uppercase(), OTHER_PASSWORD).await.expect_problem(409, "email_taken");
    let long = client
        .send(Method::POST, "/register/password", None, Some(format!("{{\"password\":\"{}\"}}", "x".repeat(1_000_000))))
        .await;
    long.expect_problem(400, "invalid_request");
}

#[tokio::test]
async fn of_parallel_registrations_with_one_email_one_succeeds() {
    let client = Stack::shared().await.client();
    let email = fresh_email();
    let mut race = JoinSet::new();
    for _ in 0..8 {
        let (client, email) = (client.clone(), email.clone());
        race.spawn(async move {
            client
                .post("/register/password", json!({"name": "Grace", "email": email, "password": PASSWORD}))
                .await
                .status
        });
    }
    let outcomes = race.join_all().await;
    assert_eq!(outcomes.iter().filter(|status| **status == 201).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|status| **status == 409).count(), 7, "{outcomes:?}");
}

#[tokio::test]
async fn failed_attempts_back_off_without_affecting_sessions_and_other_methods() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let (email, _) = client.register_two_step(&phone, PASSWORD).await;
    let session = client.log_in_two_step(&email, PASSWORD, &phone).await;
    let unknown = fresh_email();
    let guesses = async |email: &str| {
        let mut seen = Vec::new();
        for _ in 0..40 {
            let answer = client.log_in(email, OTHER_PASSWORD).await;
            seen.push(answer.status);
            if answer.status == 429 {
                answer.expect_problem(429, "too_many_requests");
                break;
            }
        }
        seen
    };
    // The same for an unknown email address. When the backoff starts after the fifth attempt depends on the machine: on a slow
    // one, an attempt takes longer than the first wait. The attacks compare the backoff with a stopped clock.
    for seen in [guesses(&email).await, guesses(&unknown).await] {
        assert!(
            seen.len() >= 6 && seen[..5].iter().all(|status| *status == 401),
            "five attempts have no backoff: {seen:?}"
        );
        assert_eq!(seen.last(), Some(&429), "{seen:?}");
    }
    client.refresh(&session.refresh_token).await.expect(200);
    client.start("/login/phone", &phone).await.expect(202);
}

#[tokio::test]
async fn changing_the_password_needs_the_current_one_and_ends_other_sessions() {
    let client = Stack::shared().await.client();
    let email = fresh_email();
    let session = client.register_password(&email, PASSWORD).await;
    let elsewhere = SignedIn::from_session(&client.log_in(&email, PASSWORD).await.expect(200));
    let change = async |token: &str, body: Value| {
        client.send(Method::PUT, "/profile/password", Some(token), Some(body.to_string())).await
    };
    let token = &session.access_token;
    change(token, json!({"new_password": OTHER_PASSWORD})).await.expect_problem(401, "invalid_credentials");
    change(token, json!({"current_password": OTHER_PASSWORD, "new_password": OTHER_PASSWORD}))
        .await
        .expect_problem(401, "invalid_credentials");
    let weak = change(token, json!({"current_password": PASSWORD, "new_password": "password"})).await;
    weak.expect_problem(400, "weak_password");
    assert_eq!(weak.body["field"], "new_password");
    change(token, json!({"current_password": PASSWORD})).await.expect_problem(400, "invalid_request");
    change("x", json!({"new_password": OTHER_PASSWORD})).await.expect_problem(401, "invalid_token");
    change(token, json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD})).await.expect(204);
    client.log_in(&email, PASSWORD).await.expect_problem(401, "invalid_credentials");
    client.log_in(&email, OTHER_PASSWORD).await.expect(200);
    client.refresh(&elsewhere.refresh_token).await.expect_problem(401, "invalid_refresh_token");
    client.refresh(&session.refresh_token).await.expect(200);
}

#[tokio::test]
async fn a_phone_account_that_sets_a_password_requires_both_steps() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let session = client.register(&phone).await;
    let body = json!({"new_password": PASSWORD}).to_string();
    client.send(Method::PUT, "/profile/password", Some(&session.access_token), Some(body)).await.expect(204);
    let email = session.user["email"].as_str().unwrap();
    let both = client.log_in_two_step(email, PASSWORD, &phone).await;
    assert_eq!(claims(&both.access_token)["amr"], json!(["pwd", "sms", "mfa"]));

    // A single step is not enough to change a sign-in method.
    let earlier = client.inbox(&phone).await.len();
    let challenge = client.start("/login/phone", &phone).await.expect(202);
    let single = client.verify(&challenge, &client.nth_code(&phone, earlier + 1).await).await.expect(200);
    let single = SignedIn::from_session(&single);
    assert_eq!(claims(&single.access_token)["amr"], json!(["sms"]));
    client.set_phone(&single, &fresh_phone()).await.expect_problem(401, "reauth_required");
    let delete = async |token: &str| client.send(Method::DELETE, "/profile/phone", Some(token), None).await;
    delete(&single.access_token).await.expect_problem(401, "reauth_required");

    // Both steps are enough, and the password remains as the sign-in method.
    delete(&both.access_token).await.expect(204);
    let user = client.profile(&both.access_token).await.expect(200);
    assert_eq!((&user["phone"], &user["two_step"]), (&Value::Null, &json!(false)));
    client.refresh(&single.refresh_token).await.expect_problem(401, "invalid_refresh_token");
    let plain = SignedIn::from_session(&client.log_in(email, PASSWORD).await.expect(200));
    assert_eq!(claims(&plain.access_token)["amr"], json!(["pwd"]));
    let notice = twostep_tests::eventually("the notice", async || {
        client
            .inbox(&phone)
            .await
            .into_iter()
            .find(|sms| sms["content"].as_str().unwrap().contains("removed from your account"))
    })
    .await;
    let text = notice["content"].as_str().unwrap();
    assert!(!text.contains("http") && !text.contains('#') && !text.chars().any(|c| c.is_ascii_digit()), "{text}");
}

#[tokio::test]
async fn an_unknown_email_costs_as_many_hashes_as_a_known_one() {
    let stack = Stack::start(&[("CONCURRENCY", "1"), ("LOG_LEVEL", "trace"), ("LIMITS", "deployed")]).await;
    let client = stack.client();
    let email = fresh_email();
    client.register_password(&email, PASSWORD).await;
    let hashes = async |email: &str, password: &str, expected: u16| {
        let before = stack.log().matches("a password is hashed").count();
        assert_eq!(client.log_in(email, password).await.status, expected);
        stack.log().matches("a password is hashed").count() - before
    };
    assert_eq!(hashes(&email, PASSWORD, 200).await, 1);
    assert_eq!(hashes(&email, OTHER_PASSWORD, 401).await, 1);
    assert_eq!(hashes(&fresh_email(), OTHER_PASSWORD, 401).await, 1);

    // With a deployment's limits, one client IP can't try many accounts for long.
    let mut statuses = Vec::new();
    for _ in 0..45 {
        statuses.push(client.log_in(&fresh_email(), OTHER_PASSWORD).await.status);
    }
    assert_eq!(statuses.first(), Some(&401));
    assert!(statuses.contains(&429), "{statuses:?}");
}
