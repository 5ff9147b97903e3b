//! `/v1/profile` and what belongs to it but the phone: name, address, password, recovery codes, devices.

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
    let device = http::segment_after(&request, "devices");
    match (request.method().as_str(), http::segment_after(&request, "profile"), device) {
        ("GET", None, _) => Ok(Answer::json(200, &service.profile(&claims).await?)),
        ("PATCH", None, _) => Ok(Answer::json(200, &service.change_profile(&claims, http::body(&request)?).await?)),
        ("PUT", Some("password"), _) => {
            service.change_password(&claims, &http::body(&request)?).await.map(|()| Answer::empty())
        }
        ("POST", Some("recovery-codes"), _) => Ok(Answer::json(200, &service.new_recovery_codes(&claims).await?)),
        ("GET", Some("devices"), None) => Ok(Answer::json(200, &service.devices(&claims).await?)),
        ("DELETE", Some("devices"), Some(id)) => service.forget_device(&claims, id).await.map(|()| Answer::empty()),
        _ => Err(Problem::NotFound),
    }
}
