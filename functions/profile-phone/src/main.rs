//! `PUT` and `DELETE /v1/profile/phone`: verifies a new number, or removes the number.

use twostep_http::{
    Answer, Error, Problem, Request, TokenIssuer, bearer,
    bodies::{ChallengeBody, PhoneBody},
    body, caller, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::profile::ChangePhone;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let phone = forever(ChangePhone::open(&Tables::new(&startup), &Secrets::new(&startup))?);
    let issuer = forever(TokenIssuer::open(&startup.env)?);
    phone.warm_up().await;
    serve(&startup, |request| handle(phone, issuer, request)).await
}

async fn handle(phone: &ChangePhone, issuer: &TokenIssuer, request: Request) -> Result<Answer, Problem> {
    let token = bearer(&request).ok_or(Problem::InvalidToken)?;
    let claims = phone.access.authenticate(&issuer.of(&request), token).await?;
    match request.method().as_str() {
        "PUT" => {
            let number = body::<PhoneBody>(&request)?.parse()?;
            let challenge = phone.start(&caller(&request), &claims, &number).await?;
            Ok(Answer::json(202, &ChallengeBody::from(challenge)))
        }
        "DELETE" => {
            phone.remove(&caller(&request), &claims).await?;
            Ok(Answer::empty())
        }
        _ => Err(Problem::NotFound),
    }
}
