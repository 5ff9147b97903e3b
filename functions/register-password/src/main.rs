//! `POST /v1/register/password`: creates an account with email and password.

use twostep_http::{
    Answer, Error, Problem, Request, TokenIssuer, TokenTransport, bodies::registration::PasswordRegistrationBody, body,
    caller, repeatable, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::registration::RegisterByPassword;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let registration = forever(RegisterByPassword::open(&Tables::new(&startup), &Secrets::new(&startup))?);
    let issuer = forever(TokenIssuer::open(&startup.env)?);
    registration.warm_up().await;
    serve(&startup, |request| handle(registration, issuer, request)).await
}

async fn handle(registration: &RegisterByPassword, issuer: &TokenIssuer, request: Request) -> Result<Answer, Problem> {
    let issuer = issuer.of(&request);
    let transport = TokenTransport::of(&request, &issuer.issuer)?;
    let (name, email, password) = body::<PasswordRegistrationBody>(&request)?.parse()?;
    let (caller, repeat) = (caller(&request), repeatable(&request)?);
    let signed_in = registration.register(&caller, &issuer, name, email, &password, repeat.as_ref()).await?;
    Ok(transport.session(&request, 201, signed_in.into()))
}
