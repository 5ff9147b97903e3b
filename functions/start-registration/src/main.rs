//! `POST /v1/register/phone`: sends a code to a number that wants to register.

use twostep_http::{
    Answer, Error, Problem, Request,
    bodies::{ChallengeBody, PhoneBody},
    body, caller, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::registration::StartRegistration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let registration = forever(StartRegistration::open(&Tables::new(&startup), &Secrets::new(&startup))?);
    registration.warm_up().await;
    serve(&startup, |request| handle(registration, request)).await
}

async fn handle(registration: &StartRegistration, request: Request) -> Result<Answer, Problem> {
    let phone = body::<PhoneBody>(&request)?.parse()?;
    let challenge = registration.start(&caller(&request), &phone).await?;
    Ok(Answer::json(202, &ChallengeBody::from(challenge)))
}
