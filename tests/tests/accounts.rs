//! Tests in-process that the owner of an account always gets in, that a thief with one proof never does, and that lost answers
//! lose nothing.

use std::sync::Arc;

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use twostep_domain::{account::Event, ids::SessionId, time::Clock};
use twostep_http::Problem;
use twostep_tests::{
    OTHER_PASSWORD, PASSWORD,
    bench::{Bench, caller_from},
    claims, fresh_email, fresh_phone, other_than, totp,
};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

fn amr(session: &Value) -> Value {
    claims(session["access_token"].as_str().unwrap())["amr"].clone()
}

fn sid(session: &Value) -> Value {
    claims(session["access_token"].as_str().unwrap())["sid"].clone()
}

/// An account with a password and an authenticator app. Gives its email address, the app's secret and the recovery codes.
async fn with_app(bench: &Bench) -> (String, String, Vec<String>) {
    let email = fresh_email();
    let session = bench.register_password(&email, PASSWORD).await.unwrap();
    let (secret, answer) = bench.add_totp(&session).await.unwrap();
    // The step of the confirmation is used up.
    bench.clock.advance(30);
    (email, secret, texts(&answer["recovery_codes"]))
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn app_code(bench: &Bench, secret: &str) -> String {
    totp::code(secret, bench.clock.now().0)
}

fn wrong_app_code(bench: &Bench, secret: &str) -> String {
    let now = bench.clock.now().0;
    let right = [now - 30, now, now + 30].map(|at| totp::code(secret, at));
    (0..4).map(|number| format!("{number:06}")).find(|code| !right.contains(code)).unwrap()
}

// Authenticator apps

#[tokio::test]
async fn an_app_alone_turns_two_step_on_and_each_of_its_codes_works_once() {
    let bench = Bench::start().await;
    let email = fresh_email();
    let session = bench.register_password(&email, PASSWORD).await.unwrap();
    let other = bench.log_in(&email, PASSWORD, None).await.unwrap();
    let (secret, answer) = bench.add_totp(&session).await.unwrap();
    assert_eq!((&answer["user"]["two_step"], &answer["user"]["totp"]), (&json!(true), &json!(true)));
    assert_eq!((texts(&answer["recovery_codes"]).len(), &answer["user"]["recovery_codes_left"]), (10, &json!(10)));
    assert_eq!(bench.refresh(&other).await, Err(Problem::InvalidRefreshToken), "another session has one step only");
    let session = bench.refresh(&session).await.unwrap();
    assert_eq!(amr(&session), json!(["pwd", "otp", "mfa"]), "the code was entered in this session");
    assert_eq!(bench.add_totp(&session).await.err(), Some(Problem::TotpOn));

    let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
    assert_eq!((&challenge["purpose"], &challenge["delivery"]), (&json!("second_step"), &json!("none")));
    assert_eq!(challenge["methods"], json!(["totp", "recovery_code"]));
    assert!(challenge.get("phone_hint").is_none() && challenge.get("failure").is_none(), "{challenge}");
    let code = app_code(&bench, &secret);
    let replay = bench.enter(&challenge, json!({ "totp": code })).await;
    assert_eq!(replay, Err(Problem::WrongCode { attempts_left: 4 }), "the code of the confirmation");
    assert_eq!(bench.enter(&challenge, json!({ "code": code })).await, Err(Problem::InvalidRequest), "no message");

    bench.clock.advance(30);
    let code = app_code(&bench, &secret);
    let signed_in = bench.enter(&challenge, json!({ "totp": code })).await.unwrap();
    assert_eq!(amr(&signed_in), json!(["pwd", "otp", "mfa"]));
    let again = bench.log_in(&email, PASSWORD, None).await.unwrap();
    assert_ne!(again["challenge_id"], challenge["challenge_id"]);
    assert!(matches!(bench.enter(&again, json!({ "totp": code })).await, Err(Problem::WrongCode { .. })), "used");
    assert!(bench.enter(&challenge, json!({ "totp": code })).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_parallel_guesses_with_the_code_of_one_step_one_signs_in() {
    let bench = Arc::new(Bench::start().await);
    let (email, secret, _) = with_app(&bench).await;
    for _ in 0..3 {
        bench.clock.advance(30);
        let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
        let mut race = JoinSet::new();
        for _ in 0..16 {
            let (bench, challenge, code) = (Arc::clone(&bench), challenge.clone(), app_code(&bench, &secret));
            race.spawn(async move { bench.enter(&challenge, json!({ "totp": code })).await });
        }
        let outcomes = race.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    }
}

#[tokio::test]
async fn a_code_may_be_half_a_minute_early_or_late() {
    let bench = Bench::start().await;
    let (email, secret, _) = with_app(&bench).await;
    for (steps, accepted) in [(-2, false), (-1, true), (1, true), (2, false)] {
        // Each code must be later than the last accepted one.
        bench.clock.advance(5 * MINUTE);
        let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
        let code = totp::code(&secret, bench.clock.now().0 + steps * 30);
        let outcome = bench.enter(&challenge, json!({ "totp": code })).await;
        assert_eq!(outcome.is_ok(), accepted, "{steps}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_pending_secret_is_bound_to_its_session_and_ends_after_ten_minutes_or_five_wrong_codes() {
    let bench = Bench::start().await;
    let email = fresh_email();
    let mine = bench.register_password(&email, PASSWORD).await.unwrap();
    let other = bench.log_in(&email, PASSWORD, None).await.unwrap();
    let (mine, other) = (bench.authenticate(&mine).await.unwrap(), bench.authenticate(&other).await.unwrap());
    let caller = caller_from("203.0.113.1");
    let confirm = async |claims, code: String| {
        let code = twostep_domain::one_time_code::OneTimeCode::parse(&code).unwrap();
        bench.access().confirm_totp(&caller, claims, &code, None).await.map(|_| ()).map_err(Problem::from)
    };
    assert_eq!(confirm(&mine, "123456".into()).await, Err(Problem::TotpNotStarted));
    let secret = bench.access().start_totp(&mine).await.unwrap().secret;
    assert_eq!(confirm(&other, app_code(&bench, &secret)).await, Err(Problem::TotpNotStarted), "another session");
    for left in (0..5).rev() {
        let wrong = confirm(&mine, wrong_app_code(&bench, &secret)).await;
        assert_eq!(wrong, Err(Problem::WrongCode { attempts_left: left }));
    }
    assert_eq!(confirm(&mine, app_code(&bench, &secret)).await, Err(Problem::TotpNotStarted));

    let secret = bench.access().start_totp(&mine).await.unwrap().secret;
    bench.clock.advance(9 * MINUTE + 59);
    confirm(&mine, app_code(&bench, &secret)).await.unwrap();
    let user = bench.access().user(&mine).await.unwrap();
    assert!(user.totp().is_some() && user.pending_totp.is_none());

    let late = bench.register_password(&fresh_email(), PASSWORD).await.unwrap();
    let late = bench.authenticate(&late).await.unwrap();
    let secret = bench.access().start_totp(&late).await.unwrap().secret;
    bench.clock.advance(10 * MINUTE);
    assert_eq!(confirm(&late, app_code(&bench, &secret)).await, Err(Problem::TotpNotStarted));
}

#[tokio::test]
async fn removing_the_app_needs_both_steps_and_turns_two_step_off_without_a_number() {
    let bench = Bench::start().await;
    let (email, secret, _) = with_app(&bench).await;
    let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
    let session = bench.enter(&challenge, json!({ "totp": app_code(&bench, &secret) })).await.unwrap();
    let (claims, caller) = (bench.authenticate(&session).await.unwrap(), caller_from("203.0.113.1"));
    bench.clock.advance(5 * MINUTE + 1);
    let late = bench.access().remove_totp(&caller, &claims).await.map_err(Problem::from);
    assert_eq!(late, Err(Problem::ReauthRequired));
    let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
    let session = bench.enter(&challenge, json!({ "totp": app_code(&bench, &secret) })).await.unwrap();
    let claims = bench.authenticate(&session).await.unwrap();
    bench.access().remove_totp(&caller, &claims).await.unwrap();
    bench.access().remove_totp(&caller, &claims).await.unwrap();
    let user = bench.access().user(&claims).await.unwrap();
    assert!(!user.two_step && user.totp().is_none() && user.recovery_codes.is_empty());
    assert_eq!(amr(&bench.log_in(&email, PASSWORD, None).await.unwrap()), json!(["pwd"]));

    let phone = fresh_phone();
    let (session, _) = bench.register_two_step(&fresh_email(), PASSWORD, &phone).await;
    let (_, answer) = bench.add_totp(&session).await.unwrap();
    assert!(answer.get("recovery_codes").is_none(), "the account has codes already: {answer}");
    let claims = bench.authenticate(&bench.refresh(&session).await.unwrap()).await.unwrap();
    bench.access().remove_totp(&caller, &claims).await.unwrap();
    let user = bench.access().user(&claims).await.unwrap();
    assert!(user.two_step && user.recovery_codes.len() == 10, "the number is left");
}

#[tokio::test]
async fn a_recovery_code_signs_in_to_an_account_that_has_a_phone_alone() {
    let bench = Bench::start().await;
    let phone = fresh_phone();
    let session = bench.register(&phone, &fresh_email()).await;
    let (claims, caller) = (bench.authenticate(&session).await.unwrap(), caller_from("203.0.113.1"));
    let codes = bench.access().new_recovery_codes(&caller, &claims, None).await.unwrap();
    let challenge = bench.start_login(&phone).await.unwrap();
    let wrong = json!({ "recovery_code": "0000-0000-0000-0000" });
    let decoy = bench.start_login(&fresh_phone()).await.unwrap();
    for left in (0..5).rev() {
        let (real, of_decoy) = (bench.enter(&challenge, wrong.clone()).await, bench.enter(&decoy, wrong.clone()).await);
        assert_eq!((&real, &real), (&of_decoy, &Err(Problem::WrongCode { attempts_left: left })));
    }
    let locked = bench.enter(&challenge, json!({ "recovery_code": codes[0] })).await;
    assert_eq!(locked, bench.enter(&decoy, json!({ "recovery_code": codes[0] })).await);
    assert!(matches!(locked, Err(Problem::TooManyAttempts { .. })), "{locked:?}");
    let signed_in = bench.enter_from("203.0.113.9", &challenge, json!({ "recovery_code": codes[0] })).await.unwrap();
    assert_eq!((amr(&signed_in), &signed_in["user"]["recovery_codes_left"]), (json!(["otp"]), &json!(9)));
    bench.clock.advance(HOUR);
    let again = bench.start_login(&phone).await.unwrap();
    assert!(matches!(bench.enter(&again, json!({ "recovery_code": codes[0] })).await, Err(Problem::WrongCode { .. })));

    // With a password, a recovery code is a second step only.
    let phone = fresh_phone();
    let (_, codes) = bench.register_two_step(&fresh_email(), PASSWORD, &phone).await;
    let challenge = bench.start_login(&phone).await.unwrap();
    let refused = bench.enter(&challenge, json!({ "recovery_code": codes[0] })).await;
    assert!(matches!(refused, Err(Problem::WrongCode { attempts_left: 4 })), "{refused:?}");
}

// Locks

#[tokio::test]
async fn wrong_codes_stop_neither_the_app_nor_recovery_codes_and_the_second_step_always_begins() {
    let bench = Bench::start().await;
    let (email, phone) = (fresh_email(), fresh_phone());
    let (session, codes) = bench.register_two_step(&email, PASSWORD, &phone).await;
    let (secret, _) = bench.add_totp(&session).await.unwrap();
    bench.clock.advance(HOUR);
    // A thief who knows the password uses up the day's codes.
    let mut wrong = 0;
    while wrong < 20 {
        let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
        let code = bench.code(&challenge).await;
        for _ in 0..5 {
            let refused = bench.enter_from("198.51.100.1", &challenge, json!({ "code": other_than(&code) })).await;
            wrong += usize::from(matches!(refused, Err(Problem::WrongCode { .. })));
        }
        bench.clock.advance(33 * MINUTE);
    }
    let challenge = bench.log_in(&email, PASSWORD, None).await.expect("the second step begins");
    assert_eq!((&challenge["delivery"], &challenge["failure"]), (&json!("failed"), &json!("too_many_codes")));
    assert_eq!(challenge["methods"], json!(["totp", "recovery_code"]));
    let code = bench.code(&challenge).await;
    assert!(matches!(bench.verify(&challenge, &code).await, Err(Problem::TooManyAttempts { .. })));
    let by_app = bench.enter(&challenge, json!({ "totp": app_code(&bench, &secret) })).await.unwrap();
    assert_eq!(amr(&by_app), json!(["pwd", "otp", "mfa"]));
    let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
    bench.enter(&challenge, json!({ "recovery_code": codes[0] })).await.expect("a recovery code");
}

#[tokio::test]
async fn a_network_that_guesses_the_app_s_codes_stops_only_itself() {
    let bench = Bench::start().await;
    let (email, secret, codes) = with_app(&bench).await;
    let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
    let wrong = json!({ "totp": wrong_app_code(&bench, &secret) });
    for _ in 0..30 {
        let _ = bench.enter_from("198.51.100.1", &challenge, wrong.clone()).await;
    }
    let thief = bench.enter_from("198.51.100.1", &challenge, json!({ "totp": app_code(&bench, &secret) })).await;
    assert!(matches!(thief, Err(Problem::TooManyAttempts { .. })), "{thief:?}");
    let owner = bench.enter_from("203.0.113.1", &challenge, json!({ "totp": app_code(&bench, &secret) })).await;
    owner.expect("the owner's network");

    // A hundred networks use up the app's codes of the day, but not the recovery codes.
    let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
    for network in 0..100 {
        let _ = bench.enter_from(&format!("198.51.100.{network}"), &challenge, wrong.clone()).await;
    }
    bench.clock.advance(30);
    let locked = bench.enter_from("203.0.113.1", &challenge, json!({ "totp": app_code(&bench, &secret) })).await;
    assert!(matches!(locked, Err(Problem::TooManyAttempts { .. })), "{locked:?}");
    bench.enter_from("203.0.113.1", &challenge, json!({ "recovery_code": codes[0] })).await.expect("a way in");
}

#[tokio::test]
async fn one_client_ip_never_keeps_the_owner_out_at_another() {
    let bench = Bench::deployed().await;
    let email = fresh_email();
    bench.register_password(&email, PASSWORD).await.unwrap();
    let mut judged = 0;
    for attempt in 0..6 * 60 {
        bench.clock.advance(MINUTE);
        let guess = bench.log_in_from("198.51.100.1", &email, OTHER_PASSWORD, None).await.unwrap_err();
        judged += usize::from(guess == Problem::InvalidCredentials);
        if attempt % 8 == 0 {
            bench.log_in_from("203.0.113.1", &email, PASSWORD, None).await.expect("the owner");
        }
    }
    assert!((10..100).contains(&judged), "the guesser waits: {judged} attempts in six hours");
}

#[tokio::test]
async fn a_hundred_client_ips_slow_down_themselves_and_a_remembered_device_has_its_own_attempts() {
    let bench = Bench::deployed().await;
    let (email, phone) = (fresh_email(), fresh_phone());
    bench.register_two_step(&email, PASSWORD, &phone).await;
    bench.clock.advance(MINUTE);
    let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
    let remembered = json!({ "code": bench.code(&challenge).await, "remember_device": true });
    let device = bench.enter(&challenge, remembered).await.unwrap()["device_token"].as_str().unwrap().to_owned();

    let mut judged = 0;
    for _ in 0..5 {
        for network in 0..100 {
            let ip = format!("198.51.100.{network}");
            let guess = bench.log_in_from(&ip, &email, OTHER_PASSWORD, None).await.unwrap_err();
            judged += usize::from(guess == Problem::InvalidCredentials);
        }
    }
    assert!(judged <= 100 + 50, "under pressure, each network has one attempt: {judged}");
    let stuck = bench.log_in_from("198.51.100.99", &email, PASSWORD, None).await.unwrap_err();
    assert!(matches!(stuck, Problem::TooManyRequests { retry_after: 30.. }), "{stuck:?}");
    bench.log_in_from("203.0.113.1", &email, PASSWORD, None).await.expect("the owner elsewhere");
    let spared = bench.log_in_from("198.51.100.99", &email, PASSWORD, Some(&device)).await.unwrap();
    assert_eq!(amr(&spared), json!(["pwd", "sms", "mfa"]), "the owner's browser, at a blocked network");
    // A stolen device token is no way around the backoff.
    let guesses = async |count: usize| {
        let mut judged = 0;
        for _ in 0..count {
            let guess = bench.log_in_from("198.51.100.99", &email, OTHER_PASSWORD, Some(&device)).await.unwrap_err();
            judged += usize::from(guess == Problem::InvalidCredentials);
        }
        judged
    };
    assert_eq!(guesses(20).await, 5);
}

// Lost answers

#[tokio::test]
async fn a_refresh_whose_answer_was_lost_is_repeated_within_half_a_minute() {
    let bench = Bench::start().await;
    let first = bench.register(&fresh_phone(), &fresh_email()).await;
    let lost = bench.refresh(&first).await.unwrap();
    bench.clock.advance(29);
    let again = bench.refresh(&first).await.expect("the successor is unused");
    assert_eq!(sid(&again), sid(&lost));
    let next = bench.refresh(&again).await.expect("the new successor is good");
    assert_eq!(bench.refresh(&first).await, Err(Problem::InvalidRefreshToken), "its successor was used");
    assert_eq!(bench.refresh(&next).await, Err(Problem::InvalidRefreshToken), "the family has ended");

    let first = bench.register(&fresh_phone(), &fresh_email()).await;
    let late = bench.refresh(&first).await.unwrap();
    bench.clock.advance(30);
    assert_eq!(bench.refresh(&first).await, Err(Problem::InvalidRefreshToken), "half a minute is over");
    assert_eq!(bench.refresh(&late).await, Err(Problem::InvalidRefreshToken));

    let first = bench.register(&fresh_phone(), &fresh_email()).await;
    let unused = bench.refresh(&first).await.unwrap();
    let renewed = bench.refresh(&first).await.unwrap();
    assert_eq!(bench.refresh(&unused).await, Err(Problem::InvalidRefreshToken), "the unused one ended");
    assert_eq!(bench.refresh(&renewed).await, Err(Problem::InvalidRefreshToken), "and using it ends the family");
}

const KEY: &str = "0123456789abcdef";
const OTHER_KEY: &str = "fedcba9876543210";

#[tokio::test]
async fn a_verification_with_a_key_gives_its_outcome_again() {
    let bench = Bench::start().await;
    let (email, phone) = (fresh_email(), fresh_phone());
    let (_, codes) = bench.register_two_step(&email, PASSWORD, &phone).await;
    bench.clock.advance(HOUR);
    let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
    let code = bench.code(&challenge).await;
    let wrong = json!({ "code": other_than(&code) });
    for _ in 0..3 {
        let refused = bench.enter_with_key(OTHER_KEY, &challenge, wrong.clone()).await;
        assert_eq!(refused, Err(Problem::WrongCode { attempts_left: 4 }), "one attempt, however often it is sent");
    }
    let body = json!({ "code": code, "remember_device": true });
    assert_eq!(bench.enter_with_key(OTHER_KEY, &challenge, body.clone()).await, Err(Problem::IdempotencyMismatch));
    let lost = bench.enter_with_key(KEY, &challenge, body.clone()).await.unwrap();
    let again = bench.enter_with_key(KEY, &challenge, body.clone()).await.unwrap();
    assert_eq!((sid(&again), &again["device_token"]), (sid(&lost), &lost["device_token"]));
    assert_ne!(again["refresh_token"], lost["refresh_token"]);
    let third = bench.enter_with_key(KEY, &challenge, body.clone()).await.unwrap();
    let other = bench.enter_with_key(KEY, &challenge, json!({ "code": code })).await;
    assert_eq!(other, Err(Problem::IdempotencyMismatch));
    assert_eq!(bench.enter(&challenge, body.clone()).await, Err(Problem::CodeUsed), "without the key it works once");
    bench.refresh(&third).await.expect("the latest token is good");
    let arrived = bench.enter_with_key(KEY, &challenge, body.clone()).await;
    assert_eq!(arrived, Err(Problem::CodeUsed), "the answer has arrived: its token was used");

    let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
    let late = "late-late-late-late";
    let body = json!({ "recovery_code": codes[0] });
    let lost = bench.enter_with_key(late, &challenge, body.clone()).await.unwrap();
    assert_eq!(sid(&bench.enter_with_key(late, &challenge, body.clone()).await.unwrap()), sid(&lost));
    bench.clock.advance(59);
    bench.enter_with_key(late, &challenge, body.clone()).await.expect("within a minute");
    bench.clock.advance(1);
    assert_eq!(bench.enter_with_key(late, &challenge, body).await, Err(Problem::CodeUsed), "a minute is over");
}

#[tokio::test]
async fn a_number_s_verification_with_a_key_gives_its_outcome_again() {
    let bench = Bench::start().await;
    let started = bench.start_registration(&fresh_phone()).await.unwrap();
    let body = json!({ "code": bench.code(&started).await });
    let lost = bench.enter_with_key(KEY, &started, body.clone()).await.unwrap();
    assert_eq!(bench.enter_with_key(KEY, &started, body).await.unwrap(), lost);

    let session = bench.register_password(&fresh_email(), PASSWORD).await.unwrap();
    let change = bench.start_phone_change(&session, &fresh_phone()).await.unwrap();
    let body = json!({ "code": bench.code(&change).await });
    let lost = bench.enter_with_key(OTHER_KEY, &change, body.clone()).await.unwrap();
    assert_eq!(texts(&lost["recovery_codes"]).len(), 10);
    assert_eq!(bench.enter_with_key(OTHER_KEY, &change, body).await.unwrap(), lost, "the same recovery codes");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_that_runs_many_times_at_once_has_one_outcome() {
    let bench = Arc::new(Bench::start().await);
    let phone = fresh_phone();
    bench.register(&phone, &fresh_email()).await;
    bench.clock.advance(HOUR);
    let challenge = bench.start_login(&phone).await.unwrap();
    let code = bench.code(&challenge).await;
    let mut race = JoinSet::new();
    for _ in 0..8 {
        let (bench, challenge, code) = (Arc::clone(&bench), challenge.clone(), code.clone());
        race.spawn(async move { bench.enter_with_key(KEY, &challenge, json!({ "code": code })).await });
    }
    let outcomes = race.join_all().await;
    let sessions: Vec<Value> = outcomes.into_iter().map(|outcome| sid(&outcome.unwrap())).collect();
    assert!(sessions.iter().all(|session| *session == sessions[0]), "{sessions:?}");
}

#[tokio::test]
async fn a_registration_with_a_key_gives_its_account_again() {
    let bench = Bench::start().await;
    let email = fresh_email();
    let lost = bench.register_with_key(KEY, &email, PASSWORD).await.unwrap();
    let again = bench.register_with_key(KEY, &email, PASSWORD).await.unwrap();
    assert_eq!((sid(&again), &again["user"]), (sid(&lost), &lost["user"]));
    assert_eq!(bench.register_with_key(KEY, &email, OTHER_PASSWORD).await, Err(Problem::IdempotencyMismatch));
    assert_eq!(bench.register_with_key(OTHER_KEY, &email, PASSWORD).await, Err(Problem::EmailTaken));

    let started = bench.start_registration(&fresh_phone()).await.unwrap();
    let verified = bench.verify(&started, &bench.code(&started).await).await.unwrap();
    let email = fresh_email();
    let lost = bench.complete_with_key(KEY, &verified, &email).await.unwrap();
    let again = bench.complete_with_key(KEY, &verified, &email).await.unwrap();
    assert_eq!((sid(&again), &again["user"]), (sid(&lost), &lost["user"]));
    bench.refresh(&again).await.expect("its refresh token is good");
    let other = bench.complete_with_key(KEY, &verified, &fresh_email()).await;
    assert_eq!(other, Err(Problem::IdempotencyMismatch));
}

#[tokio::test]
async fn a_registration_token_does_not_tell_which_addresses_exist() {
    let bench = Bench::start().await;
    let taken = fresh_email();
    bench.register_password(&taken, PASSWORD).await.unwrap();
    let verified = async || {
        let started = bench.start_registration(&fresh_phone()).await.unwrap();
        bench.verify(&started, &bench.code(&started).await).await.unwrap()
    };
    let used = verified().await;
    bench.complete(&used, &fresh_email()).await.unwrap();
    for email in [&taken, &fresh_email()] {
        assert_eq!(bench.complete(&used, email).await, Err(Problem::InvalidRegistrationToken));
    }
    let guessing = verified().await;
    for _ in 0..5 {
        assert_eq!(bench.complete(&guessing, &taken).await, Err(Problem::EmailTaken));
    }
    for email in [&taken, &fresh_email()] {
        assert_eq!(bench.complete(&guessing, email).await, Err(Problem::InvalidRegistrationToken), "five is enough");
    }
    let honest = verified().await;
    assert_eq!(bench.complete(&honest, &taken).await, Err(Problem::EmailTaken));
    bench.complete(&honest, &fresh_email()).await.expect("a second address");
}

#[tokio::test]
async fn recovery_codes_with_a_key_are_made_once() {
    let bench = Bench::start().await;
    let (session, _) = bench.register_two_step(&fresh_email(), PASSWORD, &fresh_phone()).await;
    let (claims, caller) = (bench.authenticate(&session).await.unwrap(), caller_from("203.0.113.1"));
    let make = async |key: &str| {
        let repeat = twostep_usecases::Repeatable { key: key.to_owned(), body: Vec::new() };
        bench.access().new_recovery_codes(&caller, &claims, Some(&repeat)).await.unwrap()
    };
    let lost = make(KEY).await;
    assert_eq!(make(KEY).await, lost);
    assert_ne!(make(OTHER_KEY).await, lost);
}

// Sessions and what is done in them

#[tokio::test]
async fn a_pending_phone_change_dies_with_its_session() {
    let bench = Bench::start().await;
    let (first, second) = (fresh_phone(), fresh_phone());
    let session = bench.register(&first, &fresh_email()).await;
    let change = bench.start_phone_change(&session, &second).await.unwrap();
    let code = bench.code(&change).await;
    bench.sign_out(&session).await;
    assert_eq!(bench.verify(&change, &code).await, Err(Problem::CodeExpired));

    bench.clock.advance(HOUR);
    let login = bench.start_login(&first).await.unwrap();
    let session = bench.verify(&login, &bench.code(&login).await).await.unwrap();
    let change = bench.start_phone_change(&session, &second).await.unwrap();
    let code = bench.code(&change).await;
    bench.refresh(&bench.refresh(&session).await.unwrap()).await.unwrap();
    assert_eq!(bench.refresh(&session).await, Err(Problem::InvalidRefreshToken), "a reused token ends the family");
    assert_eq!(bench.verify(&change, &code).await, Err(Problem::CodeExpired));
}

#[tokio::test]
async fn every_write_needs_the_live_session() {
    let bench = Bench::start().await;
    let session = bench.register_password(&fresh_email(), PASSWORD).await.unwrap();
    let (claims, caller) = (bench.authenticate(&session).await.unwrap(), caller_from("203.0.113.1"));
    bench.sign_out(&session).await;
    let access = bench.access();
    let gone = Err(Problem::InvalidToken);
    assert_eq!(bench.change_details(&session, json!({ "name": "Thief" })).await.map(|_| ()), gone);
    assert_eq!(access.forget_device(&caller, &claims, "x").await.map_err(Problem::from), gone);
    assert_eq!(access.start_totp(&claims).await.map(|_| ()).map_err(Problem::from), gone);
    assert_eq!(access.remove_totp(&caller, &claims).await.map_err(Problem::from), gone);
    assert_eq!(access.new_recovery_codes(&caller, &claims, None).await.map(|_| ()).map_err(Problem::from), gone);
    assert_eq!(access.end_other_sessions(&caller, &claims).await.map_err(Problem::from), gone);
    assert_eq!(access.delete_account(&caller, &claims).await.map_err(Problem::from), gone);
    assert_eq!(access.user(&claims).await.unwrap().name.as_str(), "Grace");
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let bench = Bench::start().await;
    let email = fresh_email();
    let mine = bench.register_password(&email, PASSWORD).await.unwrap();
    bench.clock.advance(1);
    let second = bench.log_in(&email, PASSWORD, None).await.unwrap();
    bench.clock.advance(1);
    let third = bench.log_in(&email, PASSWORD, None).await.unwrap();
    bench.clock.advance(10);
    let mine = bench.refresh(&mine).await.unwrap();
    let (claims, caller) = (bench.authenticate(&mine).await.unwrap(), caller_from("203.0.113.1"));
    let list = async || bench.access().sessions(&claims).await.unwrap();
    let ids = async || list().await.into_iter().map(|session| json!(session.id)).collect::<Vec<_>>();
    assert_eq!(ids().await, [sid(&third), sid(&second), sid(&mine)], "newest first");
    let last = list().await.pop().unwrap();
    assert_eq!(
        (last.client.as_deref(), last.last_used_at.map(|at| at.0 - last.auth_time.0)),
        (Some("unknown"), Some(12))
    );

    let end = async |id: Value| {
        let id = SessionId::from_stored(id.as_str().unwrap());
        bench.access().end_session(&caller, &claims, &id).await.map_err(Problem::from)
    };
    end(sid(&second)).await.unwrap();
    assert_eq!(end(sid(&second)).await, Err(Problem::UnknownSession));
    let stranger = bench.register_password(&fresh_email(), PASSWORD).await.unwrap();
    assert_eq!(end(sid(&stranger)).await, Err(Problem::UnknownSession), "another account's");
    assert_eq!(bench.refresh(&second).await, Err(Problem::InvalidRefreshToken));
    bench.access().end_other_sessions(&caller, &claims).await.unwrap();
    assert_eq!(bench.refresh(&third).await, Err(Problem::InvalidRefreshToken));
    assert_eq!(ids().await, [sid(&mine)]);
    bench.refresh(&mine).await.expect("the session that asked goes on");
    bench.refresh(&stranger).await.expect("so does another account");
}

#[tokio::test]
async fn the_activity_tells_what_happened_newest_first_and_page_by_page() {
    let bench = Bench::start().await;
    let email = fresh_email();
    let session = bench.register_password(&email, PASSWORD).await.unwrap();
    let claims = bench.authenticate(&session).await.unwrap();
    for number in 0..60 {
        bench.change_details(&session, json!({ "name": format!("Name {number}") })).await.unwrap();
    }
    bench.sign_out(&bench.log_in(&email, PASSWORD, None).await.unwrap()).await;
    let first = bench.access().activity(&claims, None).await.unwrap();
    assert_eq!(first.items.len(), 50);
    let events: Vec<Event> = first.items.iter().map(|entry| entry.event).collect();
    assert_eq!(events[..3], [Event::SignedOut, Event::SignedIn, Event::NameChanged]);
    assert_eq!((first.items[1].amr.len(), first.items[1].client.as_deref()), (1, Some("unknown")));
    let second = bench.access().activity(&claims, first.next.as_deref()).await.unwrap();
    assert_eq!((second.items.len(), second.next.is_none()), (13, true));
    assert_eq!(second.items.last().map(|entry| entry.event), Some(Event::Registered));
    let ids: Vec<&str> = first.items.iter().chain(&second.items).map(|entry| entry.id.as_str()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "{ids:?}");
}

#[tokio::test]
async fn a_deleted_account_leaves_its_names_free_and_nothing_to_use() {
    let bench = Bench::start().await;
    let (email, phone) = (fresh_email(), fresh_phone());
    let (session, codes) = bench.register_two_step(&email, PASSWORD, &phone).await;
    bench.clock.advance(MINUTE);
    let step = bench.log_in(&email, PASSWORD, None).await.unwrap();
    let (claims, caller) = (bench.authenticate(&session).await.unwrap(), caller_from("203.0.113.1"));
    let export = bench.access().export(&caller, &claims).await.unwrap();
    assert_eq!((export.sessions.len(), export.user.email.as_written()), (1, email.as_str()));
    assert!(export.activity.iter().any(|entry| entry.event == Event::PhoneVerified));
    let old = export.user.id.clone();
    bench.access().delete_account(&caller, &claims).await.unwrap();

    assert_eq!(bench.refresh(&session).await, Err(Problem::InvalidRefreshToken));
    assert_eq!(bench.access().user(&claims).await.map(|_| ()).map_err(Problem::from), Err(Problem::InvalidToken));
    assert_eq!(bench.log_in(&email, PASSWORD, None).await, Err(Problem::InvalidCredentials));
    let late = bench.enter(&step, json!({ "recovery_code": codes[0] })).await;
    assert_eq!(late, Err(Problem::UnknownChallenge), "the second step from before");
    let sessions = serde_json::from_value(json!({ "TableName": "sessions" })).unwrap();
    assert_eq!(serde_json::to_value(bench.database.scan(sessions).unwrap()).unwrap()["Count"], 0);

    // Another person gets the names, and nothing else.
    bench.clock.advance(HOUR);
    let session = bench.register_password(&email, OTHER_PASSWORD).await.unwrap();
    let change = bench.start_phone_change(&session, &phone).await.unwrap();
    let set = bench.verify(&change, &bench.code(&change).await).await.unwrap();
    assert_ne!(set["user"]["id"], json!(old));
    let claims = bench.authenticate(&session).await.unwrap();
    let events: Vec<Event> =
        bench.access().activity(&claims, None).await.unwrap().items.iter().map(|entry| entry.event).collect();
    assert_eq!(events, [Event::PhoneVerified, Event::Registered]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_during_the_deletion_brings_nothing_back() {
    let bench = Arc::new(Bench::start().await);
    for _ in 0..5 {
        let session = bench.register_password(&fresh_email(), PASSWORD).await.unwrap();
        let claims = bench.authenticate(&session).await.unwrap();
        let mut race = JoinSet::new();
        for _ in 0..4 {
            let (bench, session) = (Arc::clone(&bench), session.clone());
            race.spawn(async move { bench.refresh(&session).await.ok() });
        }
        bench.access().delete_account(&caller_from("203.0.113.1"), &claims).await.unwrap();
        for refreshed in race.join_all().await.into_iter().flatten() {
            assert_eq!(bench.refresh(&refreshed).await, Err(Problem::InvalidRefreshToken));
            let claims = bench.authenticate(&refreshed).await.unwrap();
            assert!(bench.access().user(&claims).await.is_err());
        }
    }
}

#[tokio::test]
async fn a_right_password_with_older_parameters_is_hashed_anew() {
    let bench = Bench::start().await;
    let email = fresh_email();
    let session = bench.register_password(&email, PASSWORD).await.unwrap();
    let key = json!({ "pk": { "S": format!("USER#{}", session["user"]["id"].as_str().unwrap()) } });
    // argon2id of the same password with m=4096, t=3.
    let older = older_hash();
    let update = json!({ "TableName": "users", "Key": key, "UpdateExpression": "SET password = :older",
        "ExpressionAttributeValues": { ":older": { "S": older } } });
    bench.database.update_item(serde_json::from_value(update).unwrap()).unwrap();
    let stored = || {
        let get = serde_json::from_value(json!({ "TableName": "users", "Key": key })).unwrap();
        let item = serde_json::to_value(bench.database.get_item(get).unwrap()).unwrap();
        item["Item"]["password"]["S"].as_str().unwrap().to_owned()
    };
    assert_eq!(bench.log_in(&email, OTHER_PASSWORD, None).await, Err(Problem::InvalidCredentials));
    assert_eq!(stored(), older, "a wrong password changes nothing");
    bench.log_in(&email, PASSWORD, None).await.unwrap();
    let anew = stored();
    assert!(anew.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{anew}");
    bench.log_in(&email, PASSWORD, None).await.unwrap();
    assert_eq!(stored(), anew, "once is enough");
    bench.refresh(&session).await.expect("no session ends");
}

fn older_hash() -> String {
    use argon2::{Algorithm, Argon2, Params, Version, password_hash::PasswordHasher};
    let params = Params::new(4_096, 3, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_with_salt(PASSWORD.as_bytes(), b"0123456789abcdef").unwrap().to_string()
}

#[tokio::test]
async fn an_account_tries_ten_email_addresses_a_day() {
    let bench = Bench::without_email().await;
    let taken = fresh_email();
    bench.register_password(&taken, PASSWORD).await.unwrap();
    let session = bench.register_password(&fresh_email(), PASSWORD).await.unwrap();
    let attempt = async |email: &str| bench.change_details(&session, json!({ "email": email })).await.map(|_| ());
    for _ in 0..10 {
        assert_eq!(attempt(&taken).await, Err(Problem::EmailTaken));
    }
    for email in [&taken, &fresh_email()] {
        assert!(matches!(attempt(email).await, Err(Problem::TooManyRequests { .. })));
    }
}

// One proof

/// What a thief has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Password,
    Phone,
    App,
    RecoveryCodes,
}

/// What a thief tries next. The number chooses among the challenges that the thief knows.
#[derive(Clone, Debug)]
enum Step {
    LogIn,
    StartLogin,
    StartRegistration,
    EnterCode(usize),
    EnterApp(usize),
    EnterRecoveryCode(usize),
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::LogIn),
        Just(Step::StartLogin),
        Just(Step::StartRegistration),
        (0..4_usize).prop_map(Step::EnterCode),
        (0..4_usize).prop_map(Step::EnterApp),
        (0..4_usize).prop_map(Step::EnterRecoveryCode),
        (1..400_i64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..25)
}

async fn tries(bench: &Bench, proof: Proof, steps: &[Step]) {
    let (email, phone) = (fresh_email(), fresh_phone());
    let (session, codes) = bench.register_two_step(&email, PASSWORD, &phone).await;
    let (secret, _) = bench.add_totp(&session).await.unwrap();
    bench.clock.advance(HOUR);
    let has = |needed: Proof| proof == needed;
    let mut challenges: Vec<Value> = Vec::new();
    let mut codes = codes.into_iter();
    for step in steps {
        let known = |index: &usize| challenges.get(index % challenges.len().max(1)).cloned();
        let answer = match step {
            Step::Wait(seconds) => {
                bench.clock.advance(*seconds);
                continue;
            }
            Step::LogIn => {
                bench.log_in(&email, if has(Proof::Password) { PASSWORD } else { OTHER_PASSWORD }, None).await
            }
            Step::StartLogin => bench.start_login(&phone).await,
            Step::StartRegistration => bench.start_registration(&phone).await,
            Step::EnterCode(index) => {
                let Some(challenge) = known(index) else { continue };
                let code = if has(Proof::Phone) { bench.code(&challenge).await } else { "123456".into() };
                // A guess is right once in a million.
                if !has(Proof::Phone) && bench.code(&challenge).await == code {
                    continue;
                }
                bench.enter(&challenge, json!({ "code": code, "remember_device": false })).await
            }
            Step::EnterApp(index) => {
                let Some(challenge) = known(index) else { continue };
                let code = if has(Proof::App) { app_code(bench, &secret) } else { wrong_app_code(bench, &secret) };
                bench.enter(&challenge, json!({ "totp": code })).await
            }
            Step::EnterRecoveryCode(index) => {
                let Some(challenge) = known(index) else { continue };
                let own = codes.next().filter(|_| has(Proof::RecoveryCodes));
                let code = own.unwrap_or_else(|| "0000-0000-0000-0000".into());
                bench.enter(&challenge, json!({ "recovery_code": code })).await
            }
        };
        let Ok(answer) = answer else { continue };
        assert!(answer.get("access_token").is_none(), "{proof:?} alone gave a session: {step:?}");
        if answer.get("challenge_id").is_some() {
            challenges.push(answer);
        }
    }
}

#[test]
fn a_two_step_account_never_gets_a_session_from_one_proof() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bench = runtime.block_on(async {
        let bench = Bench::start().await;
        // A number alone signs in only where the admin lets it.
        let store = bench.cases.settings.store();
        let mut stored = store.load().await.unwrap();
        stored.settings.phone_login_for_password_accounts = false;
        store.save(&stored).await.unwrap();
        bench.clock.advance(31);
        bench
    });
    for proof in [Proof::Password, Proof::Phone, Proof::App, Proof::RecoveryCodes] {
        let config = ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() };
        TestRunner::new(config)
            .run(&steps(), |steps| {
                runtime.block_on(tries(&bench, proof, &steps));
                Ok(())
            })
            .unwrap();
    }
}

#[tokio::test]
async fn two_proofs_together_do_give_a_session() {
    let bench = Bench::start().await;
    let (email, phone) = (fresh_email(), fresh_phone());
    let (session, codes) = bench.register_two_step(&email, PASSWORD, &phone).await;
    let (secret, _) = bench.add_totp(&session).await.unwrap();
    bench.clock.advance(HOUR);
    for body in [json!({ "recovery_code": codes[0] }), json!({ "totp": app_code(&bench, &secret) })] {
        let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
        bench.enter(&challenge, body).await.expect("a session");
    }
    let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
    bench.verify(&challenge, &bench.code(&challenge).await).await.expect("a session");
}
