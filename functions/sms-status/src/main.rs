//! `GET` and `POST /v1/sms/status/{token}`: Clickatell's delivery receipts.

use twostep::{
    http::{self, Error},
    receipts::Receipts,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let receipts = Receipts::init().await?;
    http::run(|request| async move { receipts.take(&request).await }).await
}
