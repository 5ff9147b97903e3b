//! `PUT` and `DELETE /v1/profile/phone`: proves a new number, or gives the number up.

use twostep::{
    http::{self, Answer, Error, Problem, Request},
    service::Service,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = Service::init().await?;
    http::run(|request| handle(service, request)).await
}

async fn handle(service: &Service, request: Request) -> Result<Answer, Problem> {
    let claims = service.authenticate(&request).await?;
    match request.method().as_str() {
        "PUT" => Ok(Answer::json(202, &service.start_phone_change(&request, &claims, &http::body(&request)?).await?)),
        "DELETE" => service.remove_phone(&request, &claims).await.map(|()| Answer::empty()),
        _ => Err(Problem::NotFound),
    }
}
