//! `GET` and `PUT /v1/settings`, `GET /v1/settings/usage`, `POST /v1/settings/test-sms`: what the admin sets and sees.

use twostep::{
    http::{self, Answer, Error, Problem, Request},
    service::admin::Admin,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let admin = Admin::init().await?;
    http::run(|request| handle(admin, request)).await
}

async fn handle(admin: &Admin, request: Request) -> Result<Answer, Problem> {
    let who = admin.authorise(&request).await?;
    match (request.method().as_str(), http::segment_after(&request, "settings")) {
        ("GET", None) => Ok(Answer::json(200, &admin.settings().await?)),
        ("PUT", None) => Ok(Answer::json(200, &admin.change(&who, &http::body(&request)?).await?)),
        ("GET", Some("usage")) => Ok(Answer::json(200, &admin.usage().await?)),
        ("POST", Some("test-sms")) => {
            Ok(Answer::json(200, &admin.send_test(&request, &who, &http::body(&request)?).await?))
        }
        _ => Err(Problem::NotFound),
    }
}
