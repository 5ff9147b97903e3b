//! `GET /.well-known/openid-configuration` (also as `oauth-authorization-server`) and `/.well-known/jwks.json`: what clients
//! need to sign users in, and what anyone needs to check a token.
//!
//! Its route `OPTIONS /{path+}` takes the CORS preflights of all routes, which `serve` answers.

use twostep_http::{
    ACCESS_CONTROL_ALLOW_ORIGIN, Answer, Error, HeaderValue, IssuerAddress, Problem, Request,
    bodies::discovery::{DiscoveryBody, JwksBody},
    segment_after, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_usecases::published_keys::PublishedKeys;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let keys = forever(PublishedKeys::open(&Secrets::new(&startup))?);
    let issuer = forever(IssuerAddress::open(&startup.env)?);
    keys.warm_up().await;
    serve(&startup, |request| handle(keys, issuer, request)).await
}

/// A public document, which pages of every origin may read. It is cached for less than the two hours by which a new signing
/// key is published before its first use.
fn public(document: Answer) -> Answer {
    document.cacheable("public, max-age=300").with_header(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))
}

async fn handle(keys: &PublishedKeys, issuer: &IssuerAddress, request: Request) -> Result<Answer, Problem> {
    match segment_after(&request, ".well-known") {
        Some("openid-configuration" | "oauth-authorization-server") => {
            Ok(public(Answer::json(200, &DiscoveryBody::new(issuer.of(&request)))))
        }
        Some("jwks.json") => Ok(public(Answer::json(200, &JwksBody { keys: keys.list().await? }))),
        _ => Err(Problem::NotFound),
    }
}
