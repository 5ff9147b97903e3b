//! Attacks by the provider or in its name, and failures of dependencies.

use serde_json::json;
use twostep_local::settings::CALLBACK_TOKEN;
use twostep_tests::fresh_phone;

use crate::{
    Seen, seen,
    world::{Event, World, person},
};

pub async fn delivery_reports(world: &'static World) -> Seen {
    let phone = fresh_phone();
    let challenge = world.start("/v1/register/phone", &phone, "203.0.113.7").await.expect(202);
    assert_eq!(world.end(&challenge).await, "delivered");
    let message = world.client.inbox(&phone).await[0].clone();
    let id = &message["api_message_id"];
    let report = async |token: &str, body: serde_json::Value| {
        let path = format!("/v1/sms/status/{token}");
        world.send(Event::new("POST", &path).body(body)).await
    };
    let failed = json!({"messageId": id, "statusCode": 7});
    for token in ["guessed-token-0123456789abcdefghijkl", &CALLBACK_TOKEN[1..], &CALLBACK_TOKEN.to_uppercase()] {
        report(token, failed.clone()).await.expect_problem(401, "invalid_callback_token");
    }
    let reference = message["client_message_id"].as_str().expect("our name for it");
    let other = format!("{}-{}", &reference[..43], 99);
    for body in [
        failed,
        json!({"messageId": id, "statusCode": 3}),
        json!({"messageId": "0".repeat(32), "statusCode": 4}),
        json!({"messageId": "0".repeat(32), "clientMessageId": other, "statusCode": 7}),
        json!({"messageId": "x", "clientMessageId": "x", "statusCode": "7"}),
    ] {
        assert_eq!(report(CALLBACK_TOKEN, body).await.status, 204);
    }
    let seen_now = world
        .send(Event::new("GET", &format!("/v1/codes/{}", challenge["challenge_id"].as_str().expect("an id"))))
        .await
        .expect(200);
    assert_eq!(seen_now["delivery"], "delivered");
    assert_eq!(world.messages_to(&phone).await, 1, "a report must not send a message");
    world.verify(&challenge, &world.code(&phone, 1).await).await.expect(200);
    seen(
        "reports with a wrong token, for unknown messages, and late and repeated ones for a delivered message",
        8,
        "401; nothing changes, nothing is sent, the code stays valid",
    )
}

pub async fn a_provider_that_misbehaves(world: &'static World) -> Seen {
    let modes = [
        ("html_502", "unknown", 0),
        ("connection_reset", "unknown", 0),
        ("drop_after_accept", "unknown", 1),
        ("error_with_200", "account_refused", 0),
        ("unknown_error_999", "account_refused", 0),
        ("bad_key", "account_refused", 0),
        ("no_credit", "account_refused", 0),
        ("invalid_destination", "number_refused", 0),
        ("opted_out", "number_refused", 0),
        ("delivery_failed", "not_delivered", 1),
        ("hang", "unknown", 0),
        ("slow", "delivered", 1),
    ];
    let usual = world.start("/v1/register/phone", &fresh_phone(), "203.0.113.7").await;
    let shape = |answer: &twostep_tests::Answer| {
        let mut keys: Vec<String> = answer.body.as_object().expect("an object").keys().cloned().collect();
        keys.sort();
        (answer.status, keys, answer.body["delivery"].clone())
    };
    for (mode, expected, messages) in modes {
        let phone = fresh_phone();
        world.client.set_fault(json!({"mode": mode, "to": phone})).await;
        let answer = world.start("/v1/register/phone", &phone, "203.0.113.7").await;
        assert_eq!(shape(&answer), shape(&usual), "{mode}: the caller's answer");
        let outcome = world.end(&answer.body).await;
        assert_eq!(outcome, expected, "{mode}");
        assert_eq!(world.messages_to(&phone).await, messages, "{mode}");
    }
    world.client.set_fault(json!({"mode": "none"})).await;
    seen(
        "HTML with 502, connection resets, accept-then-drop, errors with 200, unknown error codes, a rejected key, no credit, a hang",
        modes.len(),
        "the response to the caller is unchanged; at most one message; `failed` with a reason, or `unknown`",
    )
}

pub async fn a_lost_answer(world: &'static World) -> Seen {
    const ROUNDS: usize = 10;
    let before = world.backend.lost();
    let mut sessions = std::collections::BTreeSet::new();
    for _ in 0..ROUNDS {
        let (session, phone) = person(world).await;
        let login = world.start("/v1/login/phone", &phone, "203.0.113.7").await.expect(202);
        let code = world.code(&phone, 2).await;
        world.backend.lose_answers(1);
        let answer = world.verify(&login, &code).await.expect(200);
        assert_eq!(answer["user"]["id"], session.user["id"]);
        world.verify(&login, &code).await.expect_problem(410, "code_used");
        let sid = twostep_tests::claims(answer["access_token"].as_str().expect("a token"))["sid"].to_string();
        assert!(sessions.insert(sid), "each sign-in has its own session");

        let new = fresh_phone();
        let started = world.start("/v1/register/phone", &new, "203.0.113.7").await.expect(202);
        let verified = world.verify(&started, &world.code(&new, 1).await).await.expect(200);
        let body = json!({
            "registration_token": verified["registration_token"], "name": "Ada", "email": crate::world::new_email(world),
        });
        world.backend.lose_answers(1);
        let made = world.send(Event::new("POST", "/v1/register/complete").body(body)).await;
        // In any case, the number has one account and its owner can sign in.
        assert!(matches!(made.status, 201 | 409), "{}", made.body);
        let login = world.start("/v1/login/phone", &new, "203.0.113.7").await.expect(202);
        let signed_in = world.verify(&login, &world.code(&new, 2).await).await.expect(200);
        assert_eq!(signed_in["outcome"], "signed_in");
    }
    let lost = world.backend.lost() - before;
    assert_eq!(lost, 2 * ROUNDS, "the number of lost responses");
    seen(
        "the response to the transaction of a sign-in and of a registration dropped after the write",
        lost,
        "one session each, one account each, no user locked out",
    )
}
