//! Invokes each function with its sample event from `events/`.

use std::fs;

use serde_json::{Value, json};
use twostep_tests::{
    Stack, eventually, fresh_phone,
    paths::root,
    rotation::{STEPS, begin_rotation_with},
};

/// The functions of the workspace, by folder name.
fn functions() -> Vec<String> {
    let folders = fs::read_dir(root().join("functions")).unwrap();
    let mut names: Vec<String> = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

const WITHOUT_REQUESTS: [&str; 7] =
    ["queue-sms", "send-sms", "send-email", "publish-events", "deliver-events", "count-codes", "rotate-keys"];

/// The expected status and code. The tokens and IDs of the samples are not valid on a real stack.
fn expected(function: &str) -> (u16, Option<&'static str>) {
    match function {
        "start-registration" | "phone-login" | "forgot-password" => (202, None),
        "complete-registration" | "confirm-login" => (401, Some("invalid_registration_token")),
        "verify-code" | "resend-code" => (404, Some("unknown_challenge")),
        "reset-password" => (401, Some("invalid_reset_token")),
        "profile" | "profile-phone" | "profile-email" => (401, Some("invalid_token")),
        "session" => (401, Some("invalid_refresh_token")),
        "register-password" => (201, None),
        "password-login" => (401, Some("invalid_credentials")),
        "settings" | "clients" | "users" | "transfer-users" | "webhooks" => (401, Some("invalid_admin_key")),
        // A page, and an error of RFC 6749.
        "authorize" => (400, None),
        "token" => (401, None),
        "verifications" => (401, Some("invalid_client")),
        "discovery" | "web" => (200, None),
        "sms-status" => (204, None),
        other => panic!("no expected response for {other}"),
    }
}

#[tokio::test]
async fn every_function_responds_to_its_sample_event() {
    let client = Stack::shared().await.client();
    for function in functions() {
        let sample = fs::read_to_string(root().join(format!("events/{function}.json"))).expect(&function);
        if WITHOUT_REQUESTS.contains(&&*function) {
            continue;
        }
        let answer = client.invoke(&function, sample).await;
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or_default();
        let (status, code) = expected(&function);
        assert_eq!((&answer["statusCode"], body["code"].as_str()), (&json!(status), code), "{function}: {answer}");
    }
}

#[tokio::test]
async fn the_senders_accept_their_sample_events_without_failures() {
    let client = Stack::shared().await.client();
    for function in ["queue-sms", "send-sms", "send-email", "publish-events", "deliver-events"] {
        let sample = fs::read_to_string(root().join(format!("events/{function}.json"))).unwrap();
        // The sample's challenge doesn't exist, so nothing is sent.
        let answer = eventually("an answer", async || Some(client.invoke(function, sample.clone()).await)).await;
        assert_eq!(answer["batchItemFailures"], json!([]), "{function}: {answer}");
    }
    assert_eq!(
        client
            .inbox("+14155552671")
            .await
            .iter()
            .filter(|sms| sms["content"].as_str().unwrap().contains("000000"))
            .count(),
        0
    );
}

#[tokio::test]
async fn count_codes_counts_its_sample_event_once() {
    let client = Stack::shared().await.client();
    let sample = fs::read_to_string(root().join("events/count-codes.json")).unwrap();
    for _ in 0..2 {
        let answer = eventually("an answer", async || Some(client.invoke("count-codes", sample.clone()).await)).await;
        assert_eq!(answer["batchItemFailures"], json!([]), "{answer}");
    }
}

#[tokio::test]
async fn rotate_keys_accepts_its_sample_event_and_rotates_during_sign_ins() {
    let stack = Stack::shared().await;
    let client = stack.client();
    let mut event: Value =
        serde_json::from_str(&fs::read_to_string(root().join("events/rotate-keys.json")).unwrap()).unwrap();
    let text = |name: &str| event[name].as_str().unwrap().to_owned();
    let (secret, token) = (text("SecretId"), text("ClientRequestToken"));
    begin_rotation_with(&stack.secrets(), &secret, &token).await;
    let phone = fresh_phone();
    client.register(&phone).await;
    let before = client.get("/.well-known/jwks.json").await.expect(200);
    let mut challenge = client.start("/login/phone", &phone).await.expect(202);
    for step in STEPS {
        event["Step"] = json!(step);
        assert_eq!(client.invoke("rotate-keys", event.to_string()).await, Value::Null, "{step}");
        challenge = client.challenge(&challenge).await.expect(200);
    }
    let code = client.nth_code(&phone, 2).await;
    client.verify(&challenge, &code).await.expect(200);
    // Functions that load the keys from now on publish one more. Functions with cached keys sign with a key that all have.
    assert_eq!(before["keys"].as_array().unwrap().len(), 1);
    let secrets = stack.secrets();
    let present = secrets.get_secret_value().secret_id(secret).send().await.unwrap().secret_string.unwrap();
    let present: Value = serde_json::from_str(&present).unwrap();
    assert_eq!(present["signing_keys"].as_array().unwrap().len(), 2);
}
