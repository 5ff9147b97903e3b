//! `POST /v1/login/phone`: sends a code to a number that wants to sign in, and tells nobody whether it can.

use twostep::{
    http::{self, Answer, Error, Problem, Request},
    service::Service,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = Service::init().await?;
    http::run(|request| handle(service, request)).await
}

async fn handle(service: &Service, request: Request) -> Result<Answer, Problem> {
    let body = http::body(&request)?;
    Ok(Answer::json(202, &service.start_phone_login(&request, &body).await?))
}
