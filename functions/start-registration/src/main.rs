//! `POST /v1/register/phone`: sends a code to a number that wants to register.

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
    Ok(Answer::json(202, &service.start_registration(&request, &body).await?))
}
