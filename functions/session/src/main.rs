//! `POST /v1/session/refresh` and `/v1/session/logout`: staying signed in, and signing out.

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
    match http::segment_after(&request, "session") {
        Some("refresh") => Ok(Answer::json(200, &service.refresh(&request, &body).await?)),
        Some("logout") => service.log_out(&body).await.map(|()| Answer::empty()),
        _ => Err(Problem::NotFound),
    }
}
