//! `GET` and `PATCH /v1/profile`: the account of whoever asks.

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
    let claims = service.authenticate(&request).await?;
    match request.method().as_str() {
        "GET" => Ok(Answer::json(200, &service.profile(&claims).await?)),
        "PATCH" => Ok(Answer::json(200, &service.change_profile(&claims, http::body(&request)?).await?)),
        _ => Err(Problem::NotFound),
    }
}
