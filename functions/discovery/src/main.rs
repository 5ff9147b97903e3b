//! `GET /.well-known/openid-configuration` and `/.well-known/jwks.json`: what anyone needs to check a token.

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
    // Shorter than the time, at least two hours, by which a new signing key is published before its first use.
    const CACHE: &str = "public, max-age=300";
    match http::segment_after(&request, ".well-known") {
        Some("openid-configuration") => Ok(Answer::json(200, &service.discovery(&request)).cacheable(CACHE)),
        Some("jwks.json") => Ok(Answer::json(200, &service.jwks().await?).cacheable(CACHE)),
        _ => Err(Problem::NotFound),
    }
}
