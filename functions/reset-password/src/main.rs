//! `POST /v1/password/reset`: sets the new password of a reset, and signs in.

use twostep_http::{
    Answer, Error, Problem, Request, TokenIssuer, TokenTransport, bodies::reset::ResetBody, body, caller, repeatable,
    serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::reset::ResetPassword;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let reset = forever(ResetPassword::open(&Tables::new(&startup), &Secrets::new(&startup))?);
    let issuer = forever(TokenIssuer::open(&startup.env)?);
    reset.warm_up().await;
    serve(&startup, |request| handle(reset, issuer, request)).await
}

async fn handle(reset: &ResetPassword, issuer: &TokenIssuer, request: Request) -> Result<Answer, Problem> {
    let issuer = issuer.of(&request);
    let transport = TokenTransport::of(&request, &issuer.issuer)?;
    let ResetBody { reset_token, new_password } = body(&request)?;
    let (caller, repeat) = (caller(&request), repeatable(&request)?);
    let signed_in = reset.reset(&caller, &issuer, reset_token, &new_password, repeat.as_ref()).await?;
    Ok(transport.session(&request, 200, signed_in.into()))
}
