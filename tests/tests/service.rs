//! Tests the service in-process for concurrency and time, against the embedded DynamoDB.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use twostep_crypto::refresh_token::RefreshToken;
use twostep_domain::time::Clock;
use twostep_http::Problem;
use twostep_stores::{FailedAttemptStore, failed_attempts::Subject};
use twostep_tests::{OTHER_PASSWORD, PASSWORD, bench::Bench, claims, fresh_email, fresh_phone, other_than};

const MINUTE: i64 = 60;

/// Runs `count` calls in parallel and returns their outcomes.
async fn at_once<F, T>(count: usize, make: impl Fn() -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let mut set = JoinSet::new();
    for _ in 0..count {
        set.spawn(make());
    }
    set.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_parallel_starts_save_one_message_and_give_one_challenge() {
    let bench = Arc::new(Bench::start().await);
    let phone = fresh_phone();
    let answers = at_once(50, || {
        let (bench, phone) = (Arc::clone(&bench), phone.clone());
        async move { bench.start_registration(&phone).await.unwrap()["challenge_id"].clone() }
    })
    .await;
    assert!(answers.iter().all(|id| *id == answers[0]));
    assert_eq!(bench.sends_saved(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_parallel_attempts_five_are_checked() {
    let bench = Arc::new(Bench::start().await);
    let challenge = bench.start_registration(&fresh_phone()).await.unwrap();
    let code = bench.code(&challenge).await;
    let wrong = other_than(&code);
    let answers = at_once(200, || {
        let (bench, challenge) = (Arc::clone(&bench), challenge.clone());
        async move { bench.verify(&challenge, wrong).await.unwrap_err() }
    })
    .await;
    let mut left: Vec<usize> = answers
        .iter()
        .filter_map(|problem| match problem {
            Problem::WrongCode { attempts_left } => Some(*attempts_left),
            Problem::TooManyAttempts { .. } => None,
            other => panic!("{other:?}"),
        })
        .collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3, 4]);
    let late = bench.verify(&challenge, &code).await.unwrap_err();
    assert!(matches!(late, Problem::TooManyAttempts { .. }), "the correct code afterwards: {late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correct_code_in_thirty_two_parallel_requests_signs_in_once() {
    let bench = Arc::new(Bench::start().await);
    let phone = fresh_phone();
    bench.register(&phone, &fresh_email()).await;
    for round in 0..3 {
        bench.clock.advance(60 * MINUTE);
        let challenge = bench.start_login(&phone).await.unwrap();
        let code = bench.code(&challenge).await;
        let answers = at_once(32, || {
            let (bench, challenge, code) = (Arc::clone(&bench), challenge.clone(), code.clone());
            async move { bench.verify(&challenge, &code).await }
        })
        .await;
        let signed_in = answers.iter().flatten().count();
        assert_eq!(signed_in, 1, "round {round}");
        assert!(answers.iter().filter_map(|answer| answer.as_ref().err()).all(|problem| *problem == Problem::CodeUsed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_accounts_that_verify_one_number_in_parallel_one_gets_it() {
    let bench = Arc::new(Bench::start().await);
    let wanted = fresh_phone();
    let mut owners = Vec::new();
    for _ in 0..2 {
        let session = bench.register(&fresh_phone(), &fresh_email()).await;
        let challenge = bench.start_phone_change(&session, &wanted).await.unwrap();
        let code = bench.code(&challenge).await;
        owners.push((session, challenge, code));
    }
    let mut race = JoinSet::new();
    for (_, challenge, code) in owners.clone() {
        let bench = Arc::clone(&bench);
        race.spawn(async move { bench.verify(&challenge, &code).await });
    }
    let outcomes = race.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().any(|outcome| outcome.as_ref().err() == Some(&Problem::PhoneTaken)));
    let mut phones = Vec::new();
    for (session, ..) in &owners {
        let claims = bench.authenticate(session).await.unwrap();
        let user = bench.cases.phone.access.user(&claims).await.unwrap();
        phones.push(json!(user.phone.map(|phone| phone.e164().to_owned())));
    }
    let former: Vec<&Value> = owners.iter().map(|(session, ..)| &session["user"]["phone"]).collect();
    let kept = phones.iter().zip(former).filter(|(now, before)| now == before).count();
    assert_eq!((phones.iter().filter(|phone| **phone == *wanted).count(), kept), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_registrations_with_one_email_create_one_account() {
    let bench = Arc::new(Bench::start().await);
    let email = fresh_email();
    let mut registrations = Vec::new();
    for _ in 0..8 {
        let challenge = bench.start_registration(&fresh_phone()).await.unwrap();
        registrations.push(bench.verify(&challenge, &bench.code(&challenge).await).await.unwrap());
    }
    let mut race = JoinSet::new();
    for verified in registrations {
        let (bench, email) = (Arc::clone(&bench), email.to_uppercase());
        race.spawn(async move { bench.complete(&verified, &email).await });
    }
    let outcomes = race.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| outcome.as_ref().err() == Some(&Problem::EmailTaken)).count(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_in_twenty_parallel_requests_leaves_one_pair() {
    let bench = Arc::new(Bench::start().await);
    let session = bench.register(&fresh_phone(), &fresh_email()).await;
    let outcomes = at_once(20, || {
        let (bench, session) = (Arc::clone(&bench), session.clone());
        async move { bench.refresh(&session).await }
    })
    .await;
    // Any of the responses could have been lost, so each has tokens; all but the latest have ended.
    let present = stored_session(&bench, &session)["current"]["S"].clone();
    let is_present = |pair: &Value| json!(secret_hash(pair["refresh_token"].as_str().unwrap())) == present;
    let pairs: Vec<Value> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(pairs.iter().filter(|pair| is_present(pair)).count(), 1);
    let latest = pairs.iter().find(|pair| is_present(pair)).unwrap();
    bench.refresh(latest).await.expect("the latest is good");
}

/// The item of a session.
fn stored_session(bench: &Bench, session: &Value) -> Value {
    let sid = claims(session["access_token"].as_str().unwrap())["sid"].clone();
    let get = serde_json::from_value(json!({ "TableName": "sessions", "Key": { "id": { "S": sid } } })).unwrap();
    serde_json::to_value(bench.database.get_item(get).unwrap()).unwrap()["Item"].clone()
}

fn secret_hash(token: &str) -> String {
    RefreshToken::parse(token).unwrap().secret_hash()
}

#[tokio::test]
async fn a_code_expires_to_the_second_even_if_its_item_still_exists() {
    let bench = Bench::start().await;
    for (after, outcome) in [(299, None), (300, Some(Problem::CodeExpired)), (301, Some(Problem::CodeExpired))] {
        let challenge = bench.start_registration(&fresh_phone()).await.unwrap();
        let code = bench.code(&challenge).await;
        bench.clock.advance(after);
        assert_eq!(bench.verify(&challenge, &code).await.err(), outcome, "after {after} s");
    }
}

#[tokio::test]
async fn a_new_code_invalidates_the_old_id_and_keeps_the_failed_attempts() {
    let bench = Bench::start().await;
    let phone = fresh_phone();
    let first = bench.start_registration(&phone).await.unwrap();
    let code = bench.code(&first).await;
    for _ in 0..5 {
        bench.verify(&first, other_than(&code)).await.unwrap_err();
    }
    assert_eq!(bench.start_registration(&phone).await, Err(Problem::TooManyCodes { retry_after: 60 }));
    for round in 1..4 {
        bench.clock.advance(10 * MINUTE);
        let next = bench.start_registration(&phone).await.unwrap();
        assert_ne!(next["challenge_id"], first["challenge_id"]);
        assert_eq!(bench.verify(&first, &code).await, Err(Problem::UnknownChallenge));
        let code = bench.code(&next).await;
        for _ in 0..5 {
            bench.verify(&next, other_than(&code)).await.unwrap_err();
        }
        if round == 3 {
            let locked = bench.verify(&next, &code).await.unwrap_err();
            assert!(
                matches!(locked, Problem::TooManyAttempts { retry_after: 80_000.. }),
                "twenty wrong codes: {locked:?}"
            );
        }
    }
    bench.clock.advance(60 * MINUTE);
    let locked = bench.start_registration(&phone).await.unwrap_err();
    assert!(matches!(locked, Problem::TooManyCodes { retry_after: 70_000.. }), "{locked:?}");
    assert!(bench.start_login(&phone).await.is_ok(), "the lock must be of one purpose only");
}

#[tokio::test]
async fn an_old_id_stays_invalid_after_dynamodb_has_deleted_its_challenge() {
    let bench = Bench::start().await;
    let phone = fresh_phone();
    let old = bench.start_registration(&phone).await.unwrap();
    bench.clock.advance(26 * 60 * MINUTE);
    bench.delete_challenge(&old).await;
    let new = bench.start_registration(&phone).await.unwrap();
    assert_ne!(new["challenge_id"], old["challenge_id"]);
    let code = bench.code(&new).await;
    assert_eq!(bench.verify(&old, &code).await, Err(Problem::UnknownChallenge));
    assert!(bench.verify(&new, &code).await.is_ok());
}

#[tokio::test]
async fn a_challenge_id_is_valid_for_one_purpose_only() {
    let bench = Bench::start().await;
    let phone = fresh_phone();
    let session = bench.register(&phone, &fresh_email()).await;
    let login = bench.start_login(&phone).await.unwrap();
    let profile = bench.start_phone_change(&session, &phone).await.unwrap();
    let (login_code, profile_code) = (bench.code(&login).await, bench.code(&profile).await);
    if login_code != profile_code {
        assert!(matches!(bench.verify(&profile, &login_code).await, Err(Problem::WrongCode { .. })));
        assert!(matches!(bench.verify(&login, &profile_code).await, Err(Problem::WrongCode { .. })));
    }
}

#[tokio::test]
async fn a_number_that_moved_to_another_account_signs_in_neither_owner() {
    let bench = Bench::start().await;
    let phone = fresh_phone();
    let session = bench.register(&phone, &fresh_email()).await;
    let login = bench.start_login(&phone).await.unwrap();
    let code = bench.code(&login).await;

    let change = bench.start_phone_change(&session, &fresh_phone()).await.unwrap();
    bench.verify(&change, &bench.code(&change).await).await.unwrap();
    assert_eq!(bench.verify(&login, &code).await, Err(Problem::CodeExpired), "the number has no account now");

    bench.clock.advance(10 * MINUTE);
    bench.register(&phone, &fresh_email()).await;
    let again = bench.start_login(&phone).await.unwrap();
    let signed_in = bench.verify(&again, &bench.code(&again).await).await.unwrap();
    assert_ne!(signed_in["user"]["id"], session["user"]["id"], "the number belongs to its new owner");
}

#[tokio::test]
async fn a_valid_decoy_is_replaced_when_its_number_gets_an_account() {
    let bench = Bench::start().await;
    let phone = fresh_phone();
    let decoy = bench.start_login(&phone).await.unwrap();
    let code = bench.code(&decoy).await;
    assert!(
        matches!(bench.verify(&decoy, &code).await, Err(Problem::WrongCode { attempts_left: 4 })),
        "a decoy has no correct code"
    );
    bench.register(&phone, &fresh_email()).await;
    let real = bench.start_login(&phone).await.unwrap();
    assert_ne!(real["challenge_id"], decoy["challenge_id"]);
    assert!(bench.verify(&real, &bench.code(&real).await).await.is_ok());
}

#[tokio::test]
async fn an_unfinished_registration_does_not_block_the_number() {
    let bench = Bench::start().await;
    let phone = fresh_phone();
    let started = bench.start_registration(&phone).await.unwrap();
    let verified = bench.verify(&started, &bench.code(&started).await).await.unwrap();
    bench.clock.advance(15 * MINUTE);
    assert_eq!(
        bench.complete(&verified, &fresh_email()).await,
        Err(Problem::InvalidRegistrationToken),
        "the unfinished registration is too late"
    );
    bench.register(&phone, &fresh_email()).await;
}

#[tokio::test]
async fn a_registration_token_creates_one_account() {
    let bench = Bench::start().await;
    let started = bench.start_registration(&fresh_phone()).await.unwrap();
    let verified = bench.verify(&started, &bench.code(&started).await).await.unwrap();
    bench.complete(&verified, &fresh_email()).await.unwrap();
    assert_eq!(bench.complete(&verified, &fresh_email()).await, Err(Problem::InvalidRegistrationToken));
}

#[tokio::test]
async fn changing_the_number_needs_a_recent_sign_in_and_ends_other_sessions() {
    let bench = Bench::start().await;
    let phone = fresh_phone();
    bench.register(&phone, &fresh_email()).await;
    bench.clock.advance(5 * MINUTE + 1);
    let sign_in = async || {
        let challenge = bench.start_login(&phone).await.unwrap();
        bench.verify(&challenge, &bench.code(&challenge).await).await.unwrap()
    };
    let (mine, other) = (sign_in().await, sign_in().await);
    bench.clock.advance(5 * MINUTE);
    let change = bench.start_phone_change(&mine, &fresh_phone()).await.unwrap();
    bench.clock.advance(1);
    assert_eq!(bench.start_phone_change(&mine, &fresh_phone()).await, Err(Problem::ReauthRequired));
    bench.verify(&change, &bench.code(&change).await).await.unwrap();
    assert_eq!(bench.refresh(&other).await, Err(Problem::InvalidRefreshToken), "the other session must end");
    let mine = bench.refresh(&mine).await.expect("the session that made the change continues");
    assert_eq!(
        bench.start_phone_change(&mine, &fresh_phone()).await,
        Err(Problem::ReauthRequired),
        "a refresh is not a sign-in"
    );
}

#[tokio::test]
async fn a_session_ends_after_thirty_days_despite_refreshes() {
    let bench = Bench::start().await;
    let mut session = bench.register(&fresh_phone(), &fresh_email()).await;
    for _ in 0..29 {
        bench.clock.advance(24 * 60 * MINUTE);
        session = bench.refresh(&session).await.unwrap();
    }
    bench.clock.advance(24 * 60 * MINUTE);
    assert_eq!(bench.refresh(&session).await, Err(Problem::InvalidRefreshToken));
}

#[tokio::test]
async fn the_access_token_of_an_ended_session_cannot_change_the_account() {
    let bench = Bench::start().await;
    let phone = fresh_phone();
    bench.register(&phone, &fresh_email()).await;
    bench.clock.advance(10 * MINUTE);
    let sign_in = async || {
        let challenge = bench.start_login(&phone).await.unwrap();
        bench.verify(&challenge, &bench.code(&challenge).await).await.unwrap()
    };
    let (owner, thief) = (sign_in().await, sign_in().await);
    let change = bench.start_phone_change(&owner, &fresh_phone()).await.unwrap();
    bench.verify(&change, &bench.code(&change).await).await.unwrap();
    assert_eq!(bench.start_phone_change(&thief, &fresh_phone()).await, Err(Problem::InvalidToken));
    assert!(
        bench.start_phone_change(&owner, &fresh_phone()).await.is_ok(),
        "the session that made the change must continue"
    );
}

#[tokio::test]
async fn a_code_requested_again_by_a_new_session_keeps_that_session() {
    let bench = Bench::start().await;
    let phone = fresh_phone();
    let first = bench.register(&phone, &fresh_email()).await;
    let wanted = fresh_phone();
    let started = bench.start_phone_change(&first, &wanted).await.unwrap();
    let login = bench.start_login(&phone).await.unwrap();
    let second = bench.verify(&login, &bench.code(&login).await).await.unwrap();
    let code = bench.code(&started).await;
    let again = bench.start_phone_change(&second, &wanted).await.unwrap();
    assert_eq!((&again["challenge_id"], bench.code(&again).await), (&started["challenge_id"], code.clone()));
    bench.verify(&again, &code).await.unwrap();
    assert!(bench.refresh(&second).await.is_ok());
    assert_eq!(bench.refresh(&first).await, Err(Problem::InvalidRefreshToken));
}

#[tokio::test]
async fn a_remembered_device_skips_the_second_step_but_not_the_recent_one_for_a_phone_change() {
    let bench = Bench::start().await;
    let email = fresh_email();
    let session = bench.register_password(&email, PASSWORD).await.unwrap();
    let proof = bench.start_phone_change(&session, &fresh_phone()).await.unwrap();
    bench.verify(&proof, &bench.code(&proof).await).await.unwrap();
    let step = bench.log_in(&email, PASSWORD, None).await.unwrap();
    let code = bench.code(&step).await;
    let entered = bench.enter(&step, json!({"code": code, "remember_device": true})).await.unwrap();
    let device = entered["device_token"].as_str().unwrap();

    bench.clock.advance(4 * MINUTE);
    let spared = bench.log_in(&email, PASSWORD, Some(device)).await.unwrap();
    assert!(bench.start_phone_change(&spared, &fresh_phone()).await.is_ok(), "the second step was four minutes ago");
    bench.clock.advance(2 * MINUTE);
    let spared = bench.log_in(&email, PASSWORD, Some(device)).await.unwrap();
    assert_eq!(bench.start_phone_change(&spared, &fresh_phone()).await, Err(Problem::ReauthRequired));
    bench.clock.advance(30 * 24 * 60 * MINUTE);
    assert_eq!(bench.log_in(&email, PASSWORD, Some(device)).await.unwrap()["purpose"], "second_step", "thirty days");
}

#[tokio::test]
async fn verifying_a_number_in_a_password_session_makes_it_a_two_step_session() {
    let bench = Bench::start().await;
    let session = bench.register_password(&fresh_email(), PASSWORD).await.unwrap();
    assert_eq!(claims(session["access_token"].as_str().unwrap())["amr"], json!(["pwd"]));
    let proof = bench.start_phone_change(&session, &fresh_phone()).await.unwrap();
    bench.verify(&proof, &bench.code(&proof).await).await.unwrap();
    let refreshed = bench.refresh(&session).await.unwrap();
    assert_eq!(claims(refreshed["access_token"].as_str().unwrap())["amr"], json!(["pwd", "sms", "mfa"]));
    assert!(bench.start_phone_change(&refreshed, &fresh_phone()).await.is_ok());
}

#[tokio::test]
async fn a_second_step_from_before_a_password_change_is_replaced() {
    let bench = Bench::start().await;
    let email = fresh_email();
    let session = bench.register_password(&email, PASSWORD).await.unwrap();
    let proof = bench.start_phone_change(&session, &fresh_phone()).await.unwrap();
    bench.verify(&proof, &bench.code(&proof).await).await.unwrap();
    let early = bench.log_in(&email, PASSWORD, None).await.unwrap();
    bench.change_password(&session, PASSWORD, OTHER_PASSWORD).await.unwrap();
    let late = bench.log_in(&email, OTHER_PASSWORD, None).await.unwrap();
    assert_ne!(late["challenge_id"], early["challenge_id"]);
    assert_eq!(bench.verify(&late, &bench.code(&late).await).await.unwrap()["outcome"], "signed_in");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_parallel_password_attempts_five_are_checked() {
    let bench = Arc::new(Bench::start().await);
    let email = fresh_email();
    bench.register_password(&email, PASSWORD).await.unwrap();
    let outcomes = at_once(200, || {
        let (bench, email) = (Arc::clone(&bench), email.clone());
        async move { bench.log_in(&email, OTHER_PASSWORD, None).await.unwrap_err() }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|problem| **problem == Problem::InvalidCredentials).count(), 5);
    assert!(
        outcomes.iter().all(|problem| matches!(problem, Problem::InvalidCredentials | Problem::TooManyRequests { .. }))
    );
}

#[tokio::test]
async fn a_blocked_client_ip_does_not_lock_the_account_of_another() {
    let bench = Bench::deployed().await;
    let email = fresh_email();
    bench.register_password(&email, PASSWORD).await.unwrap();
    for _ in 0..30 {
        let wrong = bench.log_in(&fresh_email(), PASSWORD, None).await.unwrap_err();
        assert_eq!(wrong, Problem::InvalidCredentials);
    }
    for _ in 0..10 {
        let blocked = bench.log_in(&email, OTHER_PASSWORD, None).await.unwrap_err();
        assert!(matches!(blocked, Problem::TooManyRequests { .. }), "{blocked:?}");
    }
    let attempts = FailedAttemptStore::new(bench.tables.clone(), "counters".to_owned());
    let account = Subject::account_from(&bench.ring().await.pepper, &email, "0.0.0.0".parse().unwrap());
    for _ in 0..5 {
        attempts.reserve(&account, bench.clock.now()).await.expect("five free attempts");
    }
}

#[tokio::test]
async fn a_locked_account_does_not_block_the_client_ip_of_its_owner() {
    let bench = Bench::deployed().await;
    let (locked, other) = (fresh_email(), fresh_email());
    bench.register_password(&locked, PASSWORD).await.unwrap();
    bench.register_password(&other, PASSWORD).await.unwrap();
    for _ in 0..5 {
        assert_eq!(bench.log_in(&locked, OTHER_PASSWORD, None).await.unwrap_err(), Problem::InvalidCredentials);
    }
    for _ in 0..40 {
        let refused = bench.log_in(&locked, OTHER_PASSWORD, None).await.unwrap_err();
        assert!(matches!(refused, Problem::TooManyRequests { .. }), "{refused:?}");
    }
    bench.log_in(&other, PASSWORD, None).await.expect("the client IP is not blocked");
}

#[tokio::test]
async fn phone_sign_in_can_be_forbidden_for_accounts_with_a_password() {
    let bench = Bench::start().await;
    let (with_password, without) = (fresh_phone(), fresh_phone());
    let session = bench.register_password(&fresh_email(), PASSWORD).await.unwrap();
    let proof = bench.start_phone_change(&session, &with_password).await.unwrap();
    bench.verify(&proof, &bench.code(&proof).await).await.unwrap();
    bench.register(&without, &fresh_email()).await;
    let early = bench.start_login(&with_password).await.unwrap();
    let code = bench.code(&early).await;

    let store = bench.cases.settings.store();
    let mut stored = store.load().await.unwrap();
    stored.settings.phone_login_for_password_accounts = false;
    store.save(&stored).await.unwrap();
    bench.clock.advance(30);
    assert_eq!(
        bench.verify(&early, &code).await,
        Err(Problem::CodeExpired),
        "requested before the change, entered after it"
    );
    let decoy = bench.start_login(&with_password).await.unwrap();
    let own_code = bench.code(&decoy).await;
    assert!(
        matches!(bench.verify(&decoy, &own_code).await, Err(Problem::WrongCode { .. })),
        "the same as for an unknown number"
    );
    let register = bench.start_registration(&with_password).await.unwrap();
    assert_eq!(bench.verify(&register, &bench.code(&register).await).await, Err(Problem::PhoneTaken));
    let login = bench.start_login(&without).await.unwrap();
    assert!(bench.verify(&login, &bench.code(&login).await).await.is_ok());
}
