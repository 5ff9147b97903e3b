//! `POST /v1/register/complete`: creates the account of a verified number.

use twostep_http::{
    Answer, Error, Problem, Request, TokenIssuer, TokenTransport, bodies::registration::CompleteBody, body, caller,
    repeatable, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::registration::CompleteRegistration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let registration = forever(CompleteRegistration::open(&Tables::new(&startup), &Secrets::new(&startup))?);
    let issuer = forever(TokenIssuer::open(&startup.env)?);
    registration.warm_up().await;
    serve(&startup, |request| handle(registration, issuer, request)).await
}

async fn handle(
    registration: &CompleteRegistration,
    issuer: &TokenIssuer,
    request: Request,
) -> Result<Answer, Problem> {
    let issuer = issuer.of(&request);
    let transport = TokenTransport::of(&request, &issuer.issuer)?;
    let (token, name, email) = body::<CompleteBody>(&request)?.parse()?;
    let (caller, repeat) = (caller(&request), repeatable(&request)?);
    let signed_in = registration.complete(&caller, &issuer, token, name, email, repeat.as_ref()).await?;
    Ok(transport.session(&request, 201, signed_in.into()))
}
