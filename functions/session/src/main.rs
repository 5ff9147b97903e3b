//! `POST /v1/session/refresh` and `/v1/session/logout`: staying signed in, and signing out.

use twostep::{
    http::{self, Answer, Error, Problem, Request},
    service::{Service, session::RefreshBody},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = Service::init().await?;
    http::run(|request| handle(service, request)).await
}

async fn handle(service: &Service, request: Request) -> Result<Answer, Problem> {
    let carrier = service.carrier(&request)?;
    let body = RefreshBody::read(&request, carrier)?;
    match http::segment_after(&request, "session") {
        Some("refresh") => match service.refresh(&request, &body).await {
            Ok(session) => Ok(carrier.session(200, session)),
            Err(problem) => Err(carrier.refuse(problem)),
        },
        Some("logout") => service.log_out(&body).await.map(|()| carrier.signed_out()),
        _ => Err(Problem::NotFound),
    }
}
