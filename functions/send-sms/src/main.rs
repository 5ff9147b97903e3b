//! The stream of `codes`: sends each saved message, once.

use twostep::outbox::{self, Outbox};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), outbox::Error> {
    let outbox = Outbox::init().await?;
    outbox::run(outbox).await
}
