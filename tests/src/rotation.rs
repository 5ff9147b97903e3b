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
