//! `POST /v1/password/forgot`: sends a code to an address or number whose account needs a new password. The response does
//! not tell whether there is such an account.

use twostep_http::{
    Answer, Error, Problem, Request,
    bodies::{
        ChallengeBody,
        reset::{Forgot, ForgotBody},
    },
    body, caller, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::reset::StartReset;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let reset = forever(StartReset::open(&Tables::new(&startup), &Secrets::new(&startup))?);
    reset.warm_up().await;
    serve(&startup, |request| handle(reset, request)).await
}

async fn handle(reset: &StartReset, request: Request) -> Result<Answer, Problem> {
    let caller = caller(&request);
    let challenge = match body::<ForgotBody>(&request)?.parse()? {
        Forgot::Email(email) => reset.by_email(&caller, &email).await?,
        Forgot::Phone(phone) => reset.by_phone(&caller, &phone).await?,
    };
    Ok(Answer::json(202, &ChallengeBody::from(challenge)))
}
