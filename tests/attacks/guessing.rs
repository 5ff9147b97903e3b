//! Attacks that guess codes or use them where they aren't valid.

use serde_json::json;
use tokio::task::JoinSet;
use twostep_tests::{fresh_phone, other_than, stack::kill};

use crate::{
    Seen, seen,
    world::{Event, PASSWORD, World, person},
};

/// On a busy machine, the stack may reject more parallel requests than this, because they wait too long.
const AT_ONCE: usize = 50;

pub async fn one_right_code_at_once(world: &'static World) -> Seen {
    const ACCOUNTS: usize = 10;
    const ROUNDS: usize = 100;
    const THREADS: usize = 32;
    let mut phones = Vec::new();
    for _ in 0..ACCOUNTS {
        phones.push(person(world).await.1);
    }
    for round in 0..ROUNDS {
        let phone = &phones[round % ACCOUNTS];
        if round % ACCOUNTS == 0 {
            // A number gets at most ten messages a day.
            world.stack.advance(3 * 60 * 60);
        }
        let earlier = world.messages_to(phone).await;
        let challenge = world.start("/v1/login/phone", phone, "203.0.113.7").await.expect(202);
        let code = world.code(phone, earlier + 1).await;
        let mut race = JoinSet::new();
        for _ in 0..THREADS {
            let (challenge, code) = (challenge.clone(), code.clone());
            race.spawn_local(async move { world.verify(&challenge, &code).await.status });
        }
        let statuses = race.join_all().await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "round {round}: {statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 410).count(), THREADS - 1, "round {round}");
    }
    seen("32 parallel requests with the correct code", format!("{ROUNDS} rounds"), "one session per round")
}

pub async fn parallel_guesses(world: &'static World) -> Seen {
    const GUESSES: usize = 200;
    let phone = fresh_phone();
    let challenge = world.start("/v1/register/phone", &phone, "203.0.113.7").await.expect(202);
    let code = world.code(&phone, 1).await;
    let mut answers = Vec::new();
    for _ in 0..GUESSES / AT_ONCE {
        let mut race = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (challenge, wrong) = (challenge.clone(), other_than(&code));
            race.spawn_local(async move { world.verify(&challenge, wrong).await });
        }
        answers.extend(race.join_all().await);
    }
    let count = |code: &str| answers.iter().filter(|answer| answer.body["code"] == code).count();
    assert_eq!((count("wrong_code"), count("too_many_attempts")), (5, GUESSES - 5));
    world.verify(&challenge, &code).await.expect_problem(429, "too_many_attempts");
    seen(
        "wrong codes for one challenge, 50 at a time; then the correct code",
        GUESSES,
        "5 checked, 195 rejected with `too_many_attempts`, as is the correct code",
    )
}

pub async fn guessing_through_new_codes(world: &'static World) -> Seen {
    let phone = fresh_phone();
    let spellings = [
        phone.clone(),
        format!("{} ({}) {}-{}", &phone[..2], &phone[2..5], &phone[5..8], &phone[8..]),
        format!("{}.{}.{}.{}", &phone[..2], &phone[2..5], &phone[5..8], &phone[8..]),
    ];
    let mut guesses = 0;
    for round in 0..5 {
        let from = format!("198.51.100.{round}");
        let challenge = world.start("/v1/register/phone", &spellings[round % 3], &from).await.expect(202);
        let code = world.code(&phone, round + 1).await;
        for _ in 0..4 {
            let answer = world.verify(&challenge, other_than(&code)).await;
            answer.expect_problem(401, "wrong_code");
            guesses += 1;
        }
        if round == 4 {
            world.verify(&challenge, &code).await.expect_problem(429, "too_many_attempts");
        }
        // After the code's expiry and the cooldown, which doubles.
        world.stack.advance(20 * 60);
    }
    assert_eq!(guesses, 20);
    let locked = world.start("/v1/register/phone", &phone, "198.51.100.99").await;
    locked.expect_problem(429, "too_many_codes");
    assert!(locked.body["retry_after"].as_u64().is_some_and(|wait| wait > 20 * 60 * 60), "{}", locked.body);
    world.start("/v1/login/phone", &phone, "198.51.100.99").await.expect(202);
    seen(
        "four wrong codes, then a new code from a new client IP for another spelling of the number, repeated",
        "5 codes, 20 attempts",
        "locked for a day at the 20th, even for the correct code; other purposes aren't locked",
    )
}

pub async fn the_edge_of_a_code_s_life(world: &'static World) -> Seen {
    const NOON: i64 = 1_900_000_800;
    let mut answers = Vec::new();
    for after in [299, 300, 301] {
        world.stack.stand_at(NOON);
        let phone = fresh_phone();
        let challenge = world.start("/v1/register/phone", &phone, "203.0.113.7").await.expect(202);
        let code = world.code(&phone, 1).await;
        world.stack.stand_at(NOON + after);
        answers.push(world.verify(&challenge, &code).await.status);
        let still_there = world.send(Event::new("GET", &path(&challenge, ""))).await;
        assert_eq!(still_there.status, 200, "the item is still in the table");
    }
    world.stack.advance(0);
    assert_eq!(answers, [200, 410, 410]);
    seen(
        "the correct code 1 s before, at and 1 s after its expiry, with its item still in the table",
        3,
        "accepted, rejected, rejected",
    )
}

fn path(challenge: &serde_json::Value, step: &str) -> String {
    format!("/v1/codes/{}{step}", challenge["challenge_id"].as_str().expect("a challenge"))
}

pub async fn a_used_code_again(world: &'static World) -> Seen {
    let (_, phone) = person(world).await;
    let challenge = world.start("/v1/login/phone", &phone, "203.0.113.7").await.expect(202);
    let code = world.code(&phone, 2).await;
    let session = world.verify(&challenge, &code).await.expect(200);
    world.verify(&challenge, &code).await.expect_problem(410, "code_used");
    let log_out = Event::new("POST", "/v1/session/logout").body(json!({"refresh_token": session["refresh_token"]}));
    assert_eq!(world.send(log_out).await.status, 204);
    world.verify(&challenge, &code).await.expect_problem(410, "code_used");
    let instances = world.stack.instances_of("verify-code").await;
    assert!(!instances.is_empty(), "there is something to restart");
    kill(&instances);
    twostep_tests::eventually("the end of the instances", async || {
        world.stack.instances_of("verify-code").await.is_empty().then_some(())
    })
    .await;
    world.verify(&challenge, &code).await.expect_problem(410, "code_used");
    seen("a used code; after a logout; after a restart of the function", 3, "`code_used` each time")
}

pub async fn a_code_elsewhere(world: &'static World) -> Seen {
    let phone = fresh_phone();
    let email = world.register_two_step(&phone).await;
    let other = fresh_phone();
    let earlier = world.messages_to(&phone).await;
    let mut challenges = Vec::new();
    let login = world.start("/v1/login/phone", &phone, "203.0.113.7").await.expect(202);
    challenges.push((login, world.code(&phone, earlier + 1).await));
    let register = world.start("/v1/register/phone", &phone, "203.0.113.7").await.expect(202);
    challenges.push((register, world.code(&phone, earlier + 2).await));
    let body = json!({"email": email, "password": PASSWORD});
    let second_step = world.send(Event::new("POST", "/v1/login/password").body(body)).await.expect(202);
    challenges.push((second_step, world.code(&phone, earlier + 3).await));
    let elsewhere = world.start("/v1/register/phone", &other, "203.0.113.7").await.expect(202);
    challenges.push((elsewhere, world.code(&other, 1).await));
    let mut tried = 0;
    for (index, (challenge, own)) in challenges.iter().enumerate() {
        for (_, code) in challenges.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, it)| it) {
            if code != own {
                world.verify(challenge, code).await.expect_problem(401, "wrong_code");
                tried += 1;
            }
        }
    }
    assert!(tried >= 9, "too many equal codes");
    // The parts of an id belong to one challenge.
    let id = |at: usize| challenges[at].0["challenge_id"].as_str().expect("an id").to_owned();
    let mixed = format!("{}{}", &id(0)[..43], &id(1)[43..]);
    let answer = world.verify(&json!({ "challenge_id": mixed }), &challenges[0].1).await;
    answer.expect_problem(404, "unknown_challenge");
    seen(
        "the codes of a login, a registration, a second step and another number for each other's challenges; an id combined from two ids",
        13,
        "`wrong_code` and `unknown_challenge`",
    )
}

pub async fn parallel_starts(world: &'static World) -> Seen {
    let phone = fresh_phone();
    let mut race = JoinSet::new();
    for index in 0..AT_ONCE {
        let phone = phone.clone();
        race.spawn_local(async move {
            let from = format!("198.51.100.{index}");
            world.start("/v1/register/phone", &phone, &from).await.expect(202)["challenge_id"].clone()
        });
    }
    let ids = race.join_all().await;
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(world.end(&json!({"challenge_id": ids[0]})).await, "delivered");
    assert_eq!(world.messages_to(&phone).await, 1);
    seen("parallel starts for one number, each from its own client IP", AT_ONCE, "one challenge, one message")
}
