//! Rotates the keys secret, with Secrets Manager's stand-in and during sign-ins.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use twostep_crypto::{
    challenge_id::ChallengeId,
    key_ring::{KeyRing, KeysSecret},
};
use twostep_domain::time::Clock;
use twostep_http::Problem;
use twostep_local::{
    aws::secrets_manager::{CALLBACK, KEYS},
    settings::CALLBACK_TOKEN,
};
use twostep_runtime::{config::Environment, secrets::Secrets};
use twostep_tests::{
    bench::Bench,
    fresh_email, fresh_phone,
    rotation::{STEPS, begin_rotation, replace},
};
use twostep_usecases::rotate_keys::{RotateKeys, StepError};

const MINUTE: i64 = 60;

fn rotation(bench: &Bench) -> RotateKeys {
    RotateKeys::new(bench.secrets.clone(), KEYS.into(), bench.clock.clone())
}

async fn step(rotation: &RotateKeys, step: &str, token: &str) -> Result<(), StepError> {
    rotation.step(KEYS, token, step).await
}

async fn rotate(bench: &Bench) {
    let token = begin_rotation(&bench.secrets, KEYS).await;
    for name in STEPS {
        step(&rotation(bench), name, &token).await.unwrap();
    }
}

async fn text(bench: &Bench, stage: &str) -> String {
    let get = bench.secrets.get_secret_value().secret_id(KEYS).version_stage(stage);
    get.send().await.unwrap().secret_string.unwrap()
}

async fn put(bench: &Bench, text: &str) {
    replace(&bench.secrets, KEYS, text).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_rotation_makes_the_first_keys_and_until_then_the_answer_is_503() {
    let bench = Bench::start().await;
    // Twice, so that no version with keys is left.
    put(&bench, KeysSecret::PLACEHOLDER).await;
    put(&bench, KeysSecret::PLACEHOLDER).await;
    let phone = fresh_phone();
    assert_eq!(bench.start_registration(&phone).await.unwrap_err(), Problem::Unavailable);
    rotate(&bench).await;
    bench.register(&phone, &fresh_email()).await;
}

/// As after a deployment that wrote the placeholder again: new keys would have another pepper.
#[tokio::test(flavor = "multi_thread")]
async fn no_first_keys_are_made_while_the_previous_version_has_keys() {
    let bench = Bench::start().await;
    let keys = text(&bench, "AWSCURRENT").await;
    let token = begin_rotation(&bench.secrets, KEYS).await;
    for lost in [&*keys, r#"{"pepper":"AA=="}"#] {
        put(&bench, lost).await;
        put(&bench, KeysSecret::PLACEHOLDER).await;
        let refused = step(&rotation(&bench), "createSecret", &token).await;
        assert!(matches!(refused, Err(StepError::KeysInPrevious)), "{refused:?}");
        assert_eq!(text(&bench, "AWSPREVIOUS").await, lost);
    }
    // An operator restores the keys, and the next rotation continues with them.
    put(&bench, &keys).await;
    step(&rotation(&bench), "createSecret", &token).await.unwrap();
    let pepper = |keys: &str| serde_json::from_str::<Value>(keys).unwrap()["pepper"].clone();
    assert_eq!(pepper(&text(&bench, "AWSPENDING").await), pepper(&keys));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_can_be_repeated_and_old_keys_stay_available() {
    let bench = Bench::start().await;
    let token = begin_rotation(&bench.secrets, KEYS).await;
    let before = text(&bench, "AWSCURRENT").await;
    let rotation = rotation(&bench);
    let mut created = None;
    for name in STEPS {
        for _ in 0..2 {
            step(&rotation, name, &token).await.unwrap();
            let pending = text(&bench, "AWSPENDING").await;
            assert_eq!(*created.get_or_insert_with(|| pending.clone()), pending, "{name}: created once");
        }
        let current = text(&bench, "AWSCURRENT").await;
        assert_eq!(current != before, name == "finishSecret", "{name}");
    }
    assert_eq!(Some(text(&bench, "AWSCURRENT").await), created);
    assert_eq!(text(&bench, "AWSPREVIOUS").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_rotation_events_change_nothing() {
    let bench = Bench::start().await;
    let before = text(&bench, "AWSCURRENT").await;
    let rotation = rotation(&bench);
    let step = async |name: &str, token: &str| step(&rotation, name, token).await.unwrap_err();

    assert!(matches!(step("createSecret", "some-token").await, StepError::NotEnabled));
    let token = begin_rotation(&bench.secrets, KEYS).await;
    assert!(matches!(step("createSecret", "some-token").await, StepError::NotPending));
    assert!(matches!(step("dropSecret", &token).await, StepError::UnknownStep));
    assert!(matches!(step("testSecret", &token).await, StepError::NotPending), "no pending version yet");
    assert!(matches!(step("finishSecret", &token).await, StepError::NotPending), "no pending version yet");
    let other = rotation.step("twostep/admin", &token, "createSecret").await;
    assert!(matches!(other, Err(StepError::OtherSecret)));
    assert_eq!(text(&bench, "AWSCURRENT").await, before);

    // A rotation never overwrites the current keys, even if they are broken.
    put(&bench, r#"{"pepper":"AA=="}"#).await;
    assert!(matches!(step("createSecret", &token).await, StepError::Keys(_)));
    assert_eq!(text(&bench, "AWSCURRENT").await, r#"{"pepper":"AA=="}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_were_pending_for_too_long_are_abandoned() {
    let bench = Bench::start().await;
    let token = begin_rotation(&bench.secrets, KEYS).await;
    let rotation = rotation(&bench);
    step(&rotation, "createSecret", &token).await.unwrap();
    bench.clock.advance(60 * MINUTE);
    let tested = step(&rotation, "testSecret", &token).await;
    assert!(matches!(tested, Err(StepError::Rotation(_))));
    let finished = step(&rotation, "finishSecret", &token).await;
    assert!(matches!(finished, Err(StepError::NotPending)), "they must not be pending: {finished:?}");
    let token = begin_rotation(&bench.secrets, KEYS).await;
    for name in STEPS {
        step(&rotation, name, &token).await.expect("the next rotation");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callback_token_and_its_predecessor_are_accepted() {
    let bench = Bench::start().await;
    let put = async |token: &str| {
        replace(&bench.secrets, CALLBACK, token).await;
        bench.clock.advance(5 * MINUTE);
    };
    let env = Environment::of([("CALLBACK_SECRET", CALLBACK.to_owned())]);
    let secrets = Secrets::with_client(bench.secrets.clone(), env, bench.clock.clone());
    let token = secrets.shared_token("CALLBACK_SECRET").unwrap();
    let accepted = async |given: &str| token.accepts(given).await.unwrap();
    let next = ["second", "third"].map(|name| format!("{name}-callback-token-0123456789abcdef"));

    assert!(accepted(CALLBACK_TOKEN).await);
    assert!(!accepted(&next[0]).await && !accepted("").await);
    put(&next[0]).await;
    assert!(accepted(CALLBACK_TOKEN).await && accepted(&next[0]).await);
    put(&next[1]).await;
    assert!(!accepted(CALLBACK_TOKEN).await, "replaced twice");
    assert!(accepted(&next[0]).await && accepted(&next[1]).await);

    put("short").await;
    let fresh = secrets.shared_token("CALLBACK_SECRET").unwrap();
    assert!(fresh.accepts("short").await.is_err(), "a token that can be guessed");
}

/// Two instances with their own caches, a rotation between the start and the end of sign-ins, and a clock that passes
/// every hour at which keys become active or are removed.
#[tokio::test(flavor = "multi_thread")]
async fn rotating_during_sign_ins_breaks_no_verification() {
    let one = Arc::new(Bench::start().await);
    let other = one.another_process();
    let mut signers = std::collections::BTreeSet::new();
    let mut sealers = std::collections::BTreeSet::new();
    for round in 0..40_i64 {
        let phone = fresh_phone();
        other.ring().await;
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
        let ring: Arc<KeyRing> = one.ring().await;
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

/// The ID of the key that signed a session's access token.
fn signed_with(session: &Value) -> String {
    let header = session["access_token"].as_str().unwrap().split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

/// The ID of the data key that encrypts a challenge.
async fn sealed_under(bench: &Bench, challenge: &Value) -> String {
    let id = ChallengeId::parse(challenge["challenge_id"].as_str().unwrap()).unwrap();
    let stored = bench.cases.challenges.find(id.key()).await.unwrap().unwrap();
    let sealed = serde_json::to_value(&stored.sealed).unwrap();
    sealed.as_str().unwrap().split('.').next().unwrap().to_owned()
}
