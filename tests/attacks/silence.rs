//! Attacks that try to learn who has an account.

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use twostep_tests::{Answer, eventually, fresh_phone};

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

/// Waits until `function` has sent the only message on its way, or has pretended to. It saves the challenge before and after,
/// and a code that is entered in between is saved twice.
async fn message_is_sent(world: &World, function: &str) {
    let mut saved = 0;
    eventually("a message", async || {
        saved += world.backend.calls_of(function).iter().filter(|call| *call == "PutItem codes").count();
        (saved >= 2).then_some(())
    })
    .await;
}

/// Seventy random steps of a reset: starts, status requests, resends, wrong codes and waits.
async fn reset_steps(world: &World, start: &Value, seed: u64, at: i64) -> Vec<Value> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut answers, mut challenge) = (Vec::new(), Value::Null);
    let mut moment = at;
    for _ in 0..70 {
        world.stack.stand_at(moment);
        let path = |step: &str| format!("/v1/codes/{}{step}", challenge["challenge_id"].as_str().unwrap_or("none"));
        let answer = match rng.random_range(0..10) {
            0..3 => {
                let answer = world.send(Event::new("POST", "/v1/password/forgot").body(start.clone())).await;
                if answer.status == 202 {
                    challenge = answer.body.clone();
                }
                answer
            }
            3 => world.send(Event::new("GET", &path(""))).await,
            4 => world.send(Event::new("POST", &path("/resend"))).await,
            // 000000 is correct once in a million runs.
            5..9 => world.send(Event::new("POST", &path("/verify")).body(json!({"code": "000000"}))).await,
            _ => {
                moment += rng.random_range(1..1_200);
                continue;
            }
        };
        answers.push(answer.visible());
    }
    answers
}

pub async fn known_and_unknown_resets(world: &'static World) -> Seen {
    const SEQUENCES: u64 = 6;
    let mut steps = 0;
    for seed in 0..SEQUENCES {
        let email = new_email(world);
        let body = json!({"name": "Grace", "email": email, "password": PASSWORD});
        world.send(Event::new("POST", "/v1/register/password").body(body)).await.expect(201);
        let (_, phone) = person(world).await;
        let at = world.stack.now();
        for (known, unknown) in [
            (json!({ "email": email }), json!({ "email": new_email(world) })),
            (json!({ "phone": phone }), json!({ "phone": fresh_phone() })),
        ] {
            let of_known = reset_steps(world, &known, seed, at).await;
            let of_unknown = reset_steps(world, &unknown, seed, at).await;
            assert_eq!(of_known, of_unknown, "seed {seed}: {known}");
            steps += of_known.len();
        }
        assert!(steps > 50, "few steps");
        world.stack.advance(0);
    }

    // The same calls to DynamoDB, for a start and for a wrong code.
    let work = async |start: Value, channel: &str| {
        for function in ["forgot-password", "verify-code", channel] {
            world.backend.calls_of(function);
        }
        let challenge = world.send(Event::new("POST", "/v1/password/forgot").body(start)).await.expect(202);
        let started = world.backend.calls_of("forgot-password");
        message_is_sent(world, channel).await;
        world.verify(&challenge, "000000").await.expect_problem(401, "wrong_code");
        (started, world.backend.calls_of("verify-code"))
    };
    world.stack.advance(31);
    world.client.set_fault(json!({"mode": "no_callbacks"})).await;
    for _ in 0..4 {
        work(json!({ "email": new_email(world) }), "send-email").await;
        work(json!({ "phone": fresh_phone() }), "send-sms").await;
    }
    let email = new_email(world);
    let body = json!({"name": "Grace", "email": email, "password": PASSWORD});
    let session = world.send(Event::new("POST", "/v1/register/password").body(body)).await.expect(201);
    world.client.delivery_becomes(&session["email_challenge"], "sent").await;
    let of_known = work(json!({ "email": email }), "send-email").await;
    assert_eq!(of_known, work(json!({ "email": new_email(world) }), "send-email").await);
    let (_, phone) = person(world).await;
    let of_known = work(json!({ "phone": phone }), "send-sms").await;
    assert_eq!(of_known, work(json!({ "phone": fresh_phone() }), "send-sms").await);
    assert!(!of_known.0.is_empty() && !of_known.1.is_empty(), "no calls were recorded");
    world.client.set_fault(json!({"mode": "none"})).await;
    seen(
        "resets for known and unknown addresses and numbers: random starts, status requests, resends, wrong codes and waits; the \
         DynamoDB calls of a start and of a wrong code",
        format!("{} sequences of 70 steps, 2 pairs", 4 * SEQUENCES),
        "same status, headers, bodies and lengths, same locks; the same calls to the same tables",
    )
}

pub async fn the_same_work(world: &'static World) -> Seen {
    let (_, known) = person(world).await;
    let unknown = fresh_phone();
    let by_phone = async |phone: &str| {
        for function in ["phone-login", "verify-code", "send-sms"] {
            world.backend.calls_of(function);
        }
        let challenge = world.start("/v1/login/phone", phone, "203.0.113.7").await.expect(202);
        let start = world.backend.calls_of("phone-login");
        message_is_sent(world, "send-sms").await;
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
