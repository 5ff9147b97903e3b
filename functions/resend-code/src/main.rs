//! `POST /v1/codes/{challenge_id}/resend` and `GET /v1/codes/{challenge_id}`: the same code once more, and where its
//! message is.

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
    let id = http::segment_after(&request, "codes").ok_or(Problem::UnknownChallenge)?;
    match request.method().as_str() {
        "POST" => Ok(Answer::json(202, &service.resend(id).await?)),
        "GET" => Ok(Answer::json(200, &service.challenge(id).await?)),
        _ => Err(Problem::NotFound),
    }
}
