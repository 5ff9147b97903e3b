//! What Secrets Manager itself does in a rotation, which its stand-in leaves out.

use aws_sdk_secretsmanager::Client;

/// In the order in which Secrets Manager takes them.
pub const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

/// Turns the rotation of `secret` on and makes the version without a value that waits for its first step. Gives the
/// version's name, which every step is called with.
///
/// # Panics
/// When Secrets Manager does not do as it is told.
pub async fn begin_rotation(client: &Client, secret: &str) -> String {
    let token = format!("{}-waits-for-its-first-step", twostep::entropy::identifier(&mut twostep::entropy::system()));
    client.rotate_secret().secret_id(secret).send().await.expect("rotation is turned on");
    let pending = client.put_secret_value().secret_id(secret).client_request_token(&token).version_stages("AWSPENDING");
    pending.send().await.expect("a version that waits");
    token
}
