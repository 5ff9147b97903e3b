//! `POST /v1/codes/{challenge_id}/verify`: judges a code and gives what a right one is worth.

use twostep::{
    http::{self, Answer, Error, Problem, Request},
    service::{Service, verify::Verified},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = Service::init().await?;
    http::run(|request| handle(service, request)).await
}

async fn handle(service: &Service, request: Request) -> Result<Answer, Problem> {
    let (carrier, body) = (service.carrier(&request)?, http::body(&request)?);
    let id = http::segment_after(&request, "codes").ok_or(Problem::UnknownChallenge)?;
    Ok(match service.verify(&request, id, &body).await? {
        Verified::SignedIn(session) => carrier.session(200, *session),
        other => Answer::json(200, &other),
    })
}
