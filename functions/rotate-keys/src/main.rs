//! Secrets Manager's rotation of the keys secret: makes the first keys, and later new ones beside the old.

use twostep::rotate_keys::{self, Rotation};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), rotate_keys::Error> {
    let rotation = Rotation::init().await?;
    rotate_keys::run(rotation).await
}
