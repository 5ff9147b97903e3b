//! `POST /v1/register/password`: creates an account with e-mail and password.

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
    let (carrier, body) = (service.carrier(&request)?, http::body(&request)?);
    Ok(carrier.session(201, service.register_with_password(&request, &body).await?))
}
