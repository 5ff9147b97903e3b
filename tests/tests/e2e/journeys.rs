//! User journeys, from the first request to the last.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};
use twostep_tests::{SignedIn, Stack, eventually, fresh_email, fresh_phone, other_than, stack::kill};

#[tokio::test]
async fn a_user_registers_by_phone_and_signs_in_again() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    assert_eq!(challenge["purpose"], "register");
    assert_eq!(challenge["phone_hint"], format!("•••{}", &phone[phone.len() - 2..]));
    assert_eq!((&challenge["code_length"], &challenge["delivery"]), (&json!(6), &json!("pending")));

    let code = client.code(&phone).await;
    let wrong = client.verify(&challenge, other_than(&code)).await;
    wrong.expect_problem(401, "wrong_code");
    assert_eq!(wrong.body["attempts_left"], 4);
    let verified = client.verify(&challenge, &code).await.expect(200);
    assert_eq!((&verified["outcome"], &verified["expires_in"]), (&json!("phone_verified"), &json!(900)));

    let email = fresh_email();
    let body = json!({"registration_token": verified["registration_token"], "name": " Ada Lovelace ", "email": email});
    let session = SignedIn::from_session(&client.post("/register/complete", body).await.expect(201));
    let user = client.profile(&session.access_token).await.expect(200);
    assert_eq!(user, session.user);
    let expected = json!({"id": user["id"], "name": "Ada Lovelace", "email": email, "email_verified": false,
        "phone": phone, "two_step": true, "has_password": false, "totp": false, "recovery_codes_left": 0,
        "role": "user", "created_at": user["created_at"]});
    assert_eq!(user, expected);

    let challenge = client.start("/login/phone", &phone).await.expect(202);
    assert_eq!((&challenge["purpose"], &challenge["delivery"]), (&json!("login"), &json!("sent")));
    let code = client.nth_code(&phone, 2).await;
    let again = SignedIn::from_session(&client.verify(&challenge, &code).await.expect(200));
    assert_eq!(again.user, user);
    client.verify(&challenge, &code).await.expect_problem(410, "code_used");
    client.resend(&challenge).await.expect_problem(410, "code_used");
}

#[tokio::test]
async fn registering_a_number_with_an_account_signs_in_to_it() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let session = client.register(&phone).await;
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    let again = client.verify(&challenge, &client.nth_code(&phone, 2).await).await.expect(200);
    assert_eq!(SignedIn::from_session(&again).user["id"], session.user["id"]);
}

#[tokio::test]
async fn a_new_number_replaces_the_old_one_when_it_is_verified() {
    let client = Stack::shared().await.client();
    let (old, new) = (fresh_phone(), fresh_phone());
    let session = client.register(&old).await;
    let challenge = client.set_phone(&session, &new).await.expect(202);
    assert_eq!(challenge["purpose"], "profile");
    assert_eq!(
        client.profile(&session.access_token).await.expect(200)["phone"],
        old,
        "not before its code is verified"
    );
    let changed = client.verify(&challenge, &client.code(&new).await).await.expect(200);
    assert_eq!((&changed["outcome"], &changed["user"]["phone"]), (&json!("phone_verified"), &json!(new)));
    assert_eq!(changed["user"], client.profile(&session.access_token).await.expect(200));

    let challenge = client.start("/login/phone", &new).await.expect(202);
    let signed_in = client.verify(&challenge, &client.nth_code(&new, 2).await).await.expect(200);
    assert_eq!(SignedIn::from_session(&signed_in).user["id"], session.user["id"]);
    let freed = client.register(&old).await;
    assert_ne!(freed.user["id"], session.user["id"], "the old number can be registered again");
}

#[tokio::test]
async fn a_number_of_another_account_is_rejected_after_the_correct_code() {
    let client = Stack::shared().await.client();
    let taken = fresh_phone();
    client.register(&taken).await;
    let session = client.register(&fresh_phone()).await;
    let challenge = client.set_phone(&session, &taken).await.expect(202);
    let code = client.nth_code(&taken, 2).await;
    client.verify(&challenge, other_than(&code)).await.expect_problem(401, "wrong_code");
    client.verify(&challenge, &code).await.expect_problem(409, "phone_taken");
    assert_eq!(client.profile(&session.access_token).await.expect(200)["phone"], session.user["phone"]);
}

#[tokio::test]
async fn name_and_email_can_be_changed() {
    let stack = Stack::start(&[("EMAIL_FROM", "")]).await;
    let client = stack.client();
    let session = client.register(&fresh_phone()).await;
    let other = client.register(&fresh_phone()).await;
    let patch = async |body: Value| {
        client.send(Method::PATCH, "/profile", Some(&session.access_token), Some(body.to_string())).await
    };
    let email = fresh_email();
    assert_eq!(patch(json!({"name": "Grace"})).await.expect(200)["name"], "Grace");
    let user = patch(json!({"email": email})).await.expect(200);
    assert_eq!((&user["name"], &user["email"]), (&json!("Grace"), &json!(email)));
    assert_eq!(client.profile(&session.access_token).await.expect(200), user);
    let theirs = other.user["email"].as_str().unwrap().to_uppercase();
    patch(json!({"email": theirs})).await.expect_problem(409, "email_taken");
    patch(json!({"name": ""})).await.expect_problem(400, "invalid_name");
    patch(json!({"email": "x"})).await.expect_problem(400, "invalid_email");
    patch(json!({"phone": "+14155552671"})).await.expect_problem(400, "invalid_request");
    assert_eq!(patch(json!({})).await.expect(200), user, "an empty change changes nothing");
    for _ in 0..8 {
        patch(json!({"email": theirs})).await.expect_problem(409, "email_taken");
    }
    patch(json!({"email": fresh_email()})).await.expect_problem(429, "too_many_requests");
    patch(json!({"name": "Ada", "email": user["email"]})).await.expect(200);

    let delete = client.send(Method::DELETE, "/profile/phone", Some(&session.access_token), None).await;
    delete.expect_problem(409, "last_way_in");
}

#[tokio::test]
async fn starting_again_returns_the_same_challenge_and_sends_no_second_message() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let spaced = format!("{} ({}) {}-{}", &phone[..2], &phone[2..5], &phone[5..8], &phone[8..]);
    let mut starts = JoinSet::new();
    for spelling in [phone.clone(), spaced].into_iter().cycle().take(50) {
        let client = client.clone();
        starts
            .spawn(async move { client.start("/register/phone", &spelling).await.expect(202)["challenge_id"].clone() });
    }
    let ids = starts.join_all().await;
    assert!(ids.iter().all(|id| *id == ids[0]), "fifty starts, one challenge");
    let challenge = json!({"challenge_id": ids[0]});
    client.delivery_becomes(&challenge, "delivered").await;
    assert_eq!(client.inbox(&phone).await.len(), 1, "fifty starts, one message");
    let too_soon = client.resend(&challenge).await;
    too_soon.expect_problem(429, "too_many_codes");
    assert!((1..=60).contains(&too_soon.body["retry_after"].as_u64().unwrap()));
}

#[tokio::test]
async fn the_same_code_is_sent_again_after_a_minute() {
    let stack = Stack::start(&[("CONCURRENCY", "1")]).await;
    let client = stack.client();
    let phone = fresh_phone();
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    let code = client.code(&phone).await;
    client.delivery_becomes(&challenge, "delivered").await;
    stack.advance(61);
    let again = client.resend(&challenge).await.expect(202);
    assert_eq!(again["challenge_id"], challenge["challenge_id"]);
    assert_eq!(client.nth_code(&phone, 2).await, code);
    client.verify(&challenge, &code).await.expect(200);
}

#[tokio::test]
async fn of_two_hundred_attempts_five_are_checked() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    let code = client.code(&phone).await;
    let mut guesses = JoinSet::new();
    // On a busy machine, the stack may reject two hundred parallel requests, because some wait too long.
    let places = Arc::new(Semaphore::new(100));
    for _ in 0..200 {
        let (client, challenge, wrong, places) = (client.clone(), challenge.clone(), other_than(&code), places.clone());
        guesses.spawn(async move {
            let _place = places.acquire().await;
            client.verify(&challenge, wrong).await
        });
    }
    let answers = guesses.join_all().await;
    let looked_at = answers.iter().filter(|answer| answer.body["code"] == "wrong_code").count();
    let turned_away = answers.iter().filter(|answer| answer.body["code"] == "too_many_attempts").count();
    assert_eq!((looked_at, turned_away), (5, 195));
    client.verify(&challenge, &code).await.expect_problem(429, "too_many_attempts");
    client.start("/register/phone", &phone).await.expect_problem(429, "too_many_codes");
}

#[tokio::test]
async fn a_function_killed_right_after_its_response_loses_no_message() {
    let stack = Stack::start(&[("CONCURRENCY", "1")]).await;
    let client = stack.client();
    client.start("/register/phone", &fresh_phone()).await.expect(202);
    for round in 0..5 {
        let phone = fresh_phone();
        let challenge = client.start("/register/phone", &phone).await.expect(202);
        let instances = stack.instances_of("start-registration").await;
        assert_eq!(instances.len(), 1, "one instance to kill");
        kill(&instances);
        let code = client.code(&phone).await;
        client.verify(&challenge, &code).await.expect(200);
        eventually(&format!("the end of the instance in round {round}"), async || {
            stack.instances_of("start-registration").await.is_empty().then_some(())
        })
        .await;
    }
    client.start("/register/phone", &fresh_phone()).await.expect(202);
    assert_eq!(stack.instances_of("start-registration").await.len(), 1, "a successor takes the next request");
}
