//! `POST /v1/register/complete`: creates the account of a number whose code was entered.

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
    Ok(carrier.session(201, service.complete_registration(&request, body).await?))
}
