//! `POST /v1/codes/{challenge_id}/resend` and `GET /v1/codes/{challenge_id}`: sends a code again, and shows how far its
//! message got.

use twostep_crypto::challenge_id::ChallengeId;
use twostep_http::{Answer, Error, Problem, Request, bodies::ChallengeBody, caller, segment_after, serve};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::codes::ResendCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let codes = forever(ResendCode::open(&Tables::new(&startup), &Secrets::new(&startup))?);
    codes.warm_up().await;
    serve(&startup, |request| handle(codes, request)).await
}

async fn handle(codes: &ResendCode, request: Request) -> Result<Answer, Problem> {
    let id = ChallengeId::parse(segment_after(&request, "codes").unwrap_or_default())?;
    match request.method().as_str() {
        "POST" => Ok(Answer::json(202, &ChallengeBody::from(codes.resend(&caller(&request), &id).await?))),
        "GET" => Ok(Answer::json(200, &ChallengeBody::from(codes.show(&id).await?))),
        _ => Err(Problem::NotFound),
    }
}
