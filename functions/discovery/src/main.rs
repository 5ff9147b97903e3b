//! `GET /.well-known/openid-configuration` and `/.well-known/jwks.json`: what anyone needs to check an access token.

use twostep_http::{
    Answer, Error, IssuerAddress, Problem, Request,
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
    serve(startup.clock, |request| handle(keys, issuer, request)).await
}

async fn handle(keys: &PublishedKeys, issuer: &IssuerAddress, request: Request) -> Result<Answer, Problem> {
    // Less than the two hours by which a new signing key is published before its first use.
    const CACHE: &str = "public, max-age=300";
    match segment_after(&request, ".well-known") {
        Some("openid-configuration") => {
            Ok(Answer::json(200, &DiscoveryBody::new(issuer.of(&request))).cacheable(CACHE))
        }
        Some("jwks.json") => Ok(Answer::json(200, &JwksBody { keys: keys.list().await? }).cacheable(CACHE)),
        _ => Err(Problem::NotFound),
    }
}
