//! `POST /v1/login/confirm`: signs in by a number that was not used for long, with something else that the account has.

use twostep_http::{
    Answer, Error, Problem, Request, TokenIssuer, TokenTransport, bodies::sign_in::ConfirmBody, body, caller, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::sign_in::ConfirmSignIn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let sign_in = forever(ConfirmSignIn::open(&Tables::new(&startup), &Secrets::new(&startup))?);
    let issuer = forever(TokenIssuer::open(&startup.env)?);
    sign_in.warm_up().await;
    serve(&startup, |request| handle(sign_in, issuer, request)).await
}

async fn handle(sign_in: &ConfirmSignIn, issuer: &TokenIssuer, request: Request) -> Result<Answer, Problem> {
    let issuer = issuer.of(&request);
    let transport = TokenTransport::of(&request, &issuer.issuer)?;
    let (token, proof) = body::<ConfirmBody>(&request)?.parse()?;
    let signed_in = sign_in.confirm(&caller(&request), &issuer, token, &proof).await?;
    Ok(transport.session(&request, 200, signed_in.into()))
}
