//! Attacks that try to keep the owner of an account out.

use serde_json::{Value, json};
use twostep_tests::{Answer, fresh_phone, other_than, totp};

use crate::{
    Seen, seen,
    world::{Event, OTHER_PASSWORD, PASSWORD, World, new_email},
};

async fn log_in(world: &World, email: &str, password: &str, from: &str) -> Answer {
    let body = json!({"email": email, "password": password});
    world.send(Event::new("POST", "/v1/login/password").from(from).body(body)).await
}

async fn enter(world: &World, challenge: &Value, body: Value) -> Answer {
    let path = format!("/v1/codes/{}/verify", challenge["challenge_id"].as_str().expect("a challenge"));
    world.send(Event::new("POST", &path).body(body)).await
}

async fn register(world: &World, from: &str) -> String {
    let email = new_email(world);
    let body = json!({"name": "Grace", "email": email, "password": PASSWORD});
    world.send(Event::new("POST", "/v1/register/password").from(from).body(body)).await.expect(201);
    email
}

pub async fn wrong_passwords_from_one_address(world: &'static World) -> Seen {
    const TIMES: usize = 85;
    let email = register(world, "203.0.113.101").await;
    let mut judged = 0;
    for attempt in 0..TIMES {
        world.stack.advance(6 * 60 * 60 / 85);
        judged += usize::from(log_in(world, &email, OTHER_PASSWORD, "198.51.100.101").await.status == 401);
        if attempt % 2 == 0 {
            log_in(world, &email, PASSWORD, "203.0.113.101").await.expect(200);
        }
    }
    assert!(judged < TIMES, "the backoff never applied");
    seen(
        "wrong passwords for a known email address from one client IP for six hours, and the right one from another",
        format!("{TIMES} + 43"),
        "the owner signs in each time; the attacker has to wait",
    )
}

pub async fn wrong_passwords_from_many_addresses(world: &'static World) -> Seen {
    let email = register(world, "203.0.113.102").await;
    let mut judged = 0;
    for _ in 0..3 {
        for network in 0..100 {
            let from = format!("198.51.100.{network}");
            judged += usize::from(log_in(world, &email, OTHER_PASSWORD, &from).await.status == 401);
        }
    }
    assert!((100..=150).contains(&judged), "{judged} of 300 were judged");
    log_in(world, &email, PASSWORD, "203.0.113.102").await.expect(200);
    seen(
        "wrong passwords for a known email address from a hundred client IPs, and the right one from another",
        "300 + 1",
        "the owner signs in; under pressure, each attacking IP has one attempt",
    )
}

pub async fn the_password_alone(world: &'static World) -> Seen {
    let phone = fresh_phone();
    let email = world.register_two_step(&phone).await;
    let mut wrong = 0;
    while wrong < 20 {
        world.stack.advance(40 * 60);
        let sent = world.messages_to(&phone).await;
        let challenge = log_in(world, &email, PASSWORD, "198.51.100.103").await.expect(202);
        let code = world.code(&phone, sent + 1).await;
        for _ in 0..5 {
            wrong += usize::from(world.verify(&challenge, other_than(&code)).await.status == 401);
        }
    }
    let challenge = log_in(world, &email, PASSWORD, "203.0.113.7").await.expect(202);
    assert_eq!((&challenge["delivery"], &challenge["failure"]), (&json!("failed"), &json!("too_many_codes")));
    let refused = enter(world, &challenge, json!({"recovery_code": "0000-0000-0000-0000"})).await;
    refused.expect_problem(401, "wrong_code");

    // An account with an app: the attacker's wrong codes stop neither the owner's app nor the recovery codes.
    let email = register(world, "203.0.113.7").await;
    let session = log_in(world, &email, PASSWORD, "203.0.113.7").await.expect(200);
    let token = session["access_token"].as_str().expect("a token");
    let new = world.send(Event::new("POST", "/v1/profile/totp").bearer(token)).await.expect(200);
    let secret = new["secret"].as_str().expect("a secret");
    let code = json!({"code": totp::code(secret, world.stack.now())});
    let confirm = Event::new("POST", "/v1/profile/totp/confirm").bearer(token).body(code);
    let confirmed = world.send(confirm).await.expect(200);
    let challenge = log_in(world, &email, PASSWORD, "198.51.100.103").await.expect(202);
    let path = format!("/v1/codes/{}/verify", challenge["challenge_id"].as_str().expect("a challenge"));
    for _ in 0..30 {
        let guess = Event::new("POST", &path).from("198.51.100.103").body(json!({"totp": "000000"}));
        world.send(guess).await;
    }
    let code = json!({"totp": totp::code(secret, world.stack.now() + 30)});
    enter(world, &challenge, code).await.expect(200);
    let challenge = log_in(world, &email, PASSWORD, "203.0.113.7").await.expect(202);
    enter(world, &challenge, json!({"recovery_code": confirmed["recovery_codes"][0]})).await.expect(200);
    seen(
        "wrong second steps after the right password, up to the lock of the codes; wrong codes of an app",
        "20 + 30",
        "the second step still begins; the owner's app and recovery codes work",
    )
}
