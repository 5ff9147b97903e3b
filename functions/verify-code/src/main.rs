//! `POST /v1/codes/{challenge_id}/verify`: judges a code, and gives what a correct one is worth.

use twostep_crypto::challenge_id::ChallengeId;
use twostep_http::{
    Answer, Error, Problem, Request, TokenIssuer, TokenTransport,
    bodies::verify::{VerifyBody, verified},
    body, caller, repeatable, segment_after, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::codes::VerifyCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let codes = forever(VerifyCode::open(&Tables::new(&startup), &Secrets::new(&startup))?);
    let issuer = forever(TokenIssuer::open(&startup.env)?);
    codes.warm_up().await;
    serve(&startup, |request| handle(codes, issuer, request)).await
}

async fn handle(codes: &VerifyCode, issuer: &TokenIssuer, request: Request) -> Result<Answer, Problem> {
    let issuer = issuer.of(&request);
    let transport = TokenTransport::of(&request, &issuer.issuer)?;
    let entry = body::<VerifyBody>(&request)?.parse()?;
    let id = ChallengeId::parse(segment_after(&request, "codes").unwrap_or_default())?;
    let repeat = repeatable(&request)?;
    let outcome = codes.verify(&caller(&request), &issuer, &id, &entry, repeat.as_ref()).await?;
    Ok(verified(transport, &request, outcome))
}
