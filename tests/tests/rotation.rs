//! The rotation of the keys secret against Secrets Manager, and under running logins.

use std::sync::Arc;

use aws_lambda_events::secretsmanager::SecretsManagerSecretRotationEvent as Event;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use twostep::{
    clock::Clock,
    http::Problem,
    keys::{KeyRing, KeysSecret},
    rotate_keys::{Rotation, StepError},
};
use twostep_local::aws::secrets_manager::KEYS;
use twostep_tests::{
    bench::Bench,
    fresh_email, fresh_phone,
    rotation::{STEPS, begin_rotation},
};

const MINUTE: i64 = 60;

fn event(step: &str, token: &str) -> Event {
    serde_json::from_value(json!({ "Step": step, "SecretId": KEYS, "ClientRequestToken": token })).unwrap()
}

fn rotation(bench: &Bench) -> Rotation {
    Rotation::new(bench.secrets.clone(), KEYS.into(), bench.clock.clone())
}

async fn rotate(bench: &Bench) {
    let token = begin_rotation(&bench.secrets, KEYS).await;
    for step in STEPS {
        rotation(bench).step(&event(step, &token)).await.unwrap();
    }
}

async fn text(bench: &Bench, stage: &str) -> String {
    let get = bench.secrets.get_secret_value().secret_id(KEYS).version_stage(stage);
    get.send().await.unwrap().secret_string.unwrap()
}

async fn put(bench: &Bench, text: &str) {
    bench.secrets.put_secret_value().secret_id(KEYS).secret_string(text).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_rotation_makes_the_first_keys_and_until_then_the_answer_is_503() {
    let bench = Bench::start().await;
    put(&bench, KeysSecret::PLACEHOLDER).await;
    let phone = fresh_phone();
    assert_eq!(bench.start_registration(&phone).await.unwrap_err(), Problem::Unavailable);
    rotate(&bench).await;
    bench.register(&phone, &fresh_email()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_may_come_twice_and_the_old_keys_stay_within_reach() {
    let bench = Bench::start().await;
    let token = begin_rotation(&bench.secrets, KEYS).await;
    let before = text(&bench, "AWSCURRENT").await;
    let rotation = rotation(&bench);
    let mut created = None;
    for step in STEPS {
        for _ in 0..2 {
            rotation.step(&event(step, &token)).await.unwrap();
            let pending = text(&bench, "AWSPENDING").await;
            assert_eq!(*created.get_or_insert_with(|| pending.clone()), pending, "{step}: made once");
        }
        let current = text(&bench, "AWSCURRENT").await;
        assert_eq!(current != before, step == "finishSecret", "{step}");
    }
    assert_eq!(Some(text(&bench, "AWSCURRENT").await), created);
    assert_eq!(text(&bench, "AWSPREVIOUS").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_rotation_of_the_keys_changes_nothing() {
    let bench = Bench::start().await;
    let before = text(&bench, "AWSCURRENT").await;
    let rotation = rotation(&bench);
    let step = async |event: Event| rotation.step(&event).await.unwrap_err();

    assert!(matches!(step(event("createSecret", "some-token")).await, StepError::NotEnabled));
    let token = begin_rotation(&bench.secrets, KEYS).await;
    assert!(matches!(step(event("createSecret", "some-token")).await, StepError::NotPending));
    assert!(matches!(step(event("dropSecret", &token)).await, StepError::UnknownStep));
    assert!(matches!(step(event("testSecret", &token)).await, StepError::NotPending), "nothing was created yet");
    assert!(matches!(step(event("finishSecret", &token)).await, StepError::NotPending), "nothing was created yet");
    let mut other = event("createSecret", &token);
    other.secret_id = "twostep/admin".into();
    assert!(matches!(step(other).await, StepError::OtherSecret));
    assert_eq!(text(&bench, "AWSCURRENT").await, before);

    // Whatever a mishap has put there, a rotation does not write over it.
    put(&bench, r#"{"pepper":"AA=="}"#).await;
    assert!(matches!(step(event("createSecret", &token)).await, StepError::Secret(_)));
    assert_eq!(text(&bench, "AWSCURRENT").await, r#"{"pepper":"AA=="}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_waited_too_long_are_not_put_into_use() {
    let bench = Bench::start().await;
    let token = begin_rotation(&bench.secrets, KEYS).await;
    let rotation = rotation(&bench);
    rotation.step(&event("createSecret", &token)).await.unwrap();
    bench.clock.advance(60 * MINUTE);
    let tested = rotation.step(&event("testSecret", &token)).await;
    assert!(matches!(tested, Err(StepError::Rotation(_))));
    let finished = rotation.step(&event("finishSecret", &token)).await;
    assert!(matches!(finished, Err(StepError::NotPending)), "they wait no more: {finished:?}");
    let token = begin_rotation(&bench.secrets, KEYS).await;
    for step in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
        rotation.step(&event(step, &token)).await.expect("the next rotation makes others");
    }
}

/// Two instances with caches of their own, a rotation somewhere between each start and its end, and a clock that goes
/// through every hour at which keys come into use or go.
#[tokio::test(flavor = "multi_thread")]
async fn rotates_under_running_logins_and_no_verification_fails() {
    let one = Arc::new(Bench::start().await);
    let other = one.another_instance();
    let mut signers = std::collections::BTreeSet::new();
    let mut sealers = std::collections::BTreeSet::new();
    for round in 0..40_i64 {
        let phone = fresh_phone();
        other.service.keys.get().await.unwrap();
        let challenge = one.start_registration(&phone).await.unwrap();
        one.clock.advance(2 * MINUTE);
        if round % 5 == 0 {
            rotate(&one).await;
        }
        one.clock.advance(2 * MINUTE);
        let verified = other.verify(&challenge, &one.code(&challenge).await).await.unwrap();
        one.clock.advance(10 * MINUTE);
        let session = one.complete(&verified, &fresh_email()).await.unwrap();
        signers.insert(signed_with(&session));

        let challenge = other.start_login(&phone).await.unwrap();
        let ring: Arc<KeyRing> = one.service.keys.get().await.unwrap();
        assert!(ring.jwks(one.clock.now()).count() >= 1);
        let signed_in = one.verify(&challenge, &other.code(&challenge).await).await.unwrap();
        one.clock.advance(10 * MINUTE - 1);
        other.authenticate(&signed_in).await.unwrap();
        other.refresh(&session).await.unwrap();
        sealers.insert(sealed_under(&one, &challenge).await);
        one.clock.advance(33 * MINUTE);
    }
    assert!(signers.len() >= 5, "the signing key changed {} times", signers.len());
    assert!(sealers.len() >= 5, "the data key changed {} times", sealers.len());
}

/// The id of the key that a session's access token was signed with.
fn signed_with(session: &Value) -> String {
    let header = session["access_token"].as_str().unwrap().split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

/// The id of the data key that a challenge was sealed under.
async fn sealed_under(bench: &Bench, challenge: &Value) -> String {
    let id = twostep::challenge::ChallengeId::parse(challenge["challenge_id"].as_str().unwrap()).unwrap();
    let stored = bench.service.challenges.load(id.key()).await.unwrap().unwrap();
    let sealed = serde_json::to_value(&stored.sealed).unwrap();
    sealed.as_str().unwrap().split('.').next().unwrap().to_owned()
}
