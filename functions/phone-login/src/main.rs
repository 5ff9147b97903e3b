//! `POST /v1/login/phone`: sends a code to a number that wants to sign in. The response does not tell whether the number
//! has an account.

use twostep_http::{
    Answer, Error, Problem, Request,
    bodies::{ChallengeBody, PhoneBody},
    body, caller, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::sign_in::StartPhoneSignIn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let sign_in = forever(StartPhoneSignIn::open(&Tables::new(&startup), &Secrets::new(&startup))?);
    sign_in.warm_up().await;
    serve(&startup, |request| handle(sign_in, request)).await
}

async fn handle(sign_in: &StartPhoneSignIn, request: Request) -> Result<Answer, Problem> {
    let phone = body::<PhoneBody>(&request)?.parse()?;
    let challenge = sign_in.start(&caller(&request), &phone).await?;
    Ok(Answer::json(202, &ChallengeBody::from(challenge)))
}
