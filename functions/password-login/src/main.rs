//! `POST /v1/login/password`: judges a password; gives a session, or the second step.

use twostep::{
    http::{self, Answer, Error, Problem, Request},
    service::{
        Service,
        password::{LoggedIn, LoginBody},
    },
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = Service::init().await?;
    http::run(|request| handle(service, request)).await
}

async fn handle(service: &Service, request: Request) -> Result<Answer, Problem> {
    let carrier = service.carrier(&request)?;
    let body = LoginBody::read(&request, carrier)?;
    Ok(match service.log_in_with_password(&request, &body).await? {
        LoggedIn::SignedIn(session) => carrier.session(200, *session),
        LoggedIn::SecondStep(challenge) => Answer::json(202, &challenge),
    })
}
