//! Attacks that try to learn who has an account.

use serde_json::{Value, json};
use twostep_tests::{Answer, fresh_phone};

use crate::{
    Seen, seen,
    world::{Event, OTHER_PASSWORD, PASSWORD, World, new_email, person},
};

const PAIRS: usize = 50;

/// The responses of a phone sign-in, from the start to the lock.
async fn sequence(world: &World, phone: &str) -> Vec<Value> {
    let start = async || world.start("/v1/login/phone", phone, "203.0.113.7").await;
    let first = start().await;
    let path = |step: &str| format!("/v1/codes/{}{step}", first.body["challenge_id"].as_str().expect("a challenge"));
    let mut answers = vec![start().await];
    answers.push(world.send(Event::new("GET", &path(""))).await);
    answers.push(world.send(Event::new("POST", &path("/resend"))).await);
    for _ in 0..2 {
        let body = json!({"recovery_code": "0000-0000-0000-0000"});
        answers.push(world.send(Event::new("POST", &path("/verify")).body(body)).await);
    }
    for _ in 0..7 {
        // 000000 is correct once in a million runs.
        answers.push(world.verify(&first.body, "000000").await);
    }
    answers.push(start().await);
    answers.push(world.send(Event::new("POST", &path("/resend"))).await);
    answers.push(world.send(Event::new("GET", &path(""))).await);
    answers.insert(0, first);
    answers.iter().map(Answer::visible).collect()
}

pub async fn known_and_unknown_numbers(world: &'static World) -> Seen {
    for pair in 0..PAIRS {
        let (_, known) = person(world).await;
        let unknown = fresh_phone();
        assert_eq!(sequence(world, &known).await, sequence(world, &unknown).await, "pair {pair}");
        assert_eq!(world.messages_to(&unknown).await, 0);
    }
    seen(
        "phone sign-in for a known and an unknown number: starts, status requests, resends, wrong recovery codes, and wrong codes up to the lock",
        format!("{PAIRS} pairs, 16 requests each"),
        "same status, headers, bodies and lengths, same lock; no message to the unknown number",
    )
}

pub async fn known_and_unknown_addresses(world: &'static World) -> Seen {
    let guess = async |email: &str| {
        let body = json!({"email": email, "password": OTHER_PASSWORD});
        world.send(Event::new("POST", "/v1/login/password").body(body)).await.visible()
    };
    // The time between attempts isn't compared.
    world.stack.stand_at(world.stack.now());
    for pair in 0..PAIRS {
        let (known, unknown) = (new_email(world), new_email(world));
        let body = json!({"name": "Grace", "email": known, "password": PASSWORD});
        world.send(Event::new("POST", "/v1/register/password").body(body)).await.expect(201);
        // The first attempts have no backoff. Later waits depend on the exact second of an attempt, so stop there.
        for _ in 0..5 {
            assert_eq!(guess(&known).await, guess(&unknown).await, "pair {pair}");
        }
        if pair == 0 {
            let (known, unknown) = (guess(&known).await, guess(&unknown).await);
            assert_eq!(
                (&known["status"], &unknown["status"]),
                (&json!(429), &json!(429)),
                "the backoff must be the same"
            );
        }
    }
    world.stack.advance(0);
    seen(
        "wrong passwords for a known and an unknown email address",
        format!("{PAIRS} pairs, 5 attempts each"),
        "same status, headers, bodies and lengths, same backoff",
    )
}

pub async fn the_same_work(world: &'static World) -> Seen {
    let (_, known) = person(world).await;
    let unknown = fresh_phone();
    let by_phone = async |phone: &str| {
        world.backend.calls_of("phone-login");
        world.backend.calls_of("verify-code");
        world.backend.calls_of("send-sms");
        let challenge = world.start("/v1/login/phone", phone, "203.0.113.7").await.expect(202);
        let start = world.backend.calls_of("phone-login");
        // Wait until the message is sent, or pretended to be: it changes the challenge twice, and a concurrent attempt would
        // write twice.
        let mut seen = 0;
        while seen < 2 {
            let calls = world.backend.calls_of("send-sms");
            seen += calls.into_iter().filter(|call| call == "PutItem codes").count();
            tokio::task::yield_now().await;
        }
        world.verify(&challenge, "000000").await.expect_problem(401, "wrong_code");
        let path = format!("/v1/codes/{}/verify", challenge["challenge_id"].as_str().expect("a challenge"));
        let recovery = Event::new("POST", &path).body(json!({"recovery_code": "0000-0000-0000-0000"}));
        world.send(recovery).await.expect_problem(401, "wrong_code");
        (start, world.backend.calls_of("verify-code"))
    };
    // Functions reload the settings from time to time. Load them before recording.
    world.stack.advance(31);
    world.client.set_fault(json!({"mode": "no_callbacks"})).await;
    for phone in [fresh_phone(), fresh_phone(), fresh_phone(), fresh_phone()] {
        by_phone(&phone).await;
    }
    let (of_known, of_unknown) = (by_phone(&known).await, by_phone(&unknown).await);
    assert_eq!(of_known, of_unknown);
    world.client.set_fault(json!({"mode": "none"})).await;
    assert!(!of_known.0.is_empty() && !of_known.1.is_empty(), "no calls were recorded");

    let (email, unknown) = (new_email(world), new_email(world));
    let body = json!({"name": "Grace", "email": email, "password": PASSWORD});
    world.send(Event::new("POST", "/v1/register/password").body(body)).await.expect(201);
    let by_password = async |email: &str| {
        world.backend.calls_of("password-login");
        let body = json!({"email": email, "password": OTHER_PASSWORD});
        world
            .send(Event::new("POST", "/v1/login/password").body(body))
            .await
            .expect_problem(401, "invalid_credentials");
        world.backend.calls_of("password-login")
    };
    for _ in 0..4 {
        by_password(&new_email(world)).await;
    }
    let (of_known, of_unknown) = (by_password(&email).await, by_password(&unknown).await);
    assert_eq!(of_known, of_unknown);
    seen(
        "the recorded DynamoDB calls for a known and an unknown number or email address: start, wrong code, wrong recovery code, wrong password",
        "3 pairs",
        "the same calls to the same tables",
    )
}
