//! `POST /v1/login/password`: judges a password, and gives a session or the second step.

use twostep_http::{
    Answer, Error, Problem, Request, TokenIssuer, TokenTransport,
    bodies::{ChallengeBody, sign_in},
    caller, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::sign_in::{SignInByPassword, by_password::PasswordAccepted};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let sign_in = forever(SignInByPassword::open(&Tables::new(&startup), &Secrets::new(&startup))?);
    let issuer = forever(TokenIssuer::open(&startup.env)?);
    sign_in.warm_up().await;
    serve(&startup, |request| handle(sign_in, issuer, request)).await
}

async fn handle(sign_in: &SignInByPassword, issuer: &TokenIssuer, request: Request) -> Result<Answer, Problem> {
    let issuer = issuer.of(&request);
    let transport = TokenTransport::of(&request, &issuer.issuer)?;
    let entered = sign_in::read(&request, transport)?;
    let (email, password, devices) = (&entered.email, &entered.password, &entered.devices);
    Ok(match sign_in.sign_in(&caller(&request), &issuer, email, password, devices).await? {
        PasswordAccepted::SignedIn(signed_in) => transport.session(&request, 200, (*signed_in).into()),
        PasswordAccepted::SecondStep(challenge) => Answer::json(202, &ChallengeBody::from(challenge)),
    })
}
