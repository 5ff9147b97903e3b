//! The part of a rotation that Secrets Manager does itself and its stand-in doesn't.

use aws_sdk_secretsmanager::Client;
use twostep_domain::random;
use twostep_runtime::entropy;

/// The steps, in Secrets Manager's order.
pub const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

/// Turns on the rotation of `secret` and creates the pending version without a value. Returns the version's token, which
/// every step receives.
///
/// # Panics
/// If a call to Secrets Manager fails.
pub async fn begin_rotation(client: &Client, secret: &str) -> String {
    let token = format!("{}-waits-for-its-first-step", random::identifier(&mut entropy::system()));
    begin_rotation_with(client, secret, &token).await;
    token
}

/// The same with the caller's token.
///
/// # Panics
/// If a call to Secrets Manager fails.
pub async fn begin_rotation_with(client: &Client, secret: &str, token: &str) {
    client.rotate_secret().secret_id(secret).send().await.expect("rotation is turned on");
    let pending = client.put_secret_value().secret_id(secret).client_request_token(token).version_stages("AWSPENDING");
    pending.send().await.expect("a pending version");
}

/// Stores `text` as the current version. As in AWS and unlike in the stand-in, only the version before stays the previous one.
///
/// # Panics
/// If a call to Secrets Manager fails.
pub async fn replace(client: &Client, secret: &str, text: &str) {
    let versions = client.describe_secret().secret_id(secret).send().await.expect("the secret").version_ids_to_stages;
    for (version, stages) in versions.unwrap_or_default() {
        if stages.iter().any(|stage| stage == "AWSPREVIOUS") {
            let update = client.update_secret_version_stage().secret_id(secret).version_stage("AWSPREVIOUS");
            update.remove_from_version_id(version).send().await.expect("the label is removed");
        }
    }
    client.put_secret_value().secret_id(secret).secret_string(text).send().await.expect("the secret is replaced");
}
