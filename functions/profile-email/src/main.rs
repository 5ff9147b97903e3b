//! `PUT /v1/profile/email`: sends a code to the account's address, or to a new one.

use twostep_http::{
    Answer, Error, Problem, Request, TokenIssuer, bearer,
    bodies::{ChallengeBody, EmailBody},
    body, caller, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::profile::ChangeEmail;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let email = forever(ChangeEmail::open(&Tables::new(&startup), &Secrets::new(&startup))?);
    let issuer = forever(TokenIssuer::open(&startup.env)?);
    email.warm_up().await;
    serve(&startup, |request| handle(email, issuer, request)).await
}

async fn handle(email: &ChangeEmail, issuer: &TokenIssuer, request: Request) -> Result<Answer, Problem> {
    let token = bearer(&request).ok_or(Problem::InvalidToken)?;
    let claims = email.access.authenticate(&issuer.of(&request), token).await?;
    let address = body::<EmailBody>(&request)?.parse()?;
    let challenge = email.start(&caller(&request), &claims, &address).await?;
    Ok(Answer::json(202, &ChallengeBody::from(challenge)))
}
