//! `GET /oauth/authorize` and `/oauth/logout`: sends browsers from a client to a sign-in or a sign-out, and back.

mod error_page;
mod sign_in;
mod sign_out;

use twostep_http::{Answer, Error, IssuerAddress, Problem, Request, caller, segment_after, serve};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::oidc::{Authorize, EndClientSession};

struct Context {
    authorize: Authorize,
    logout: EndClientSession,
    issuer: IssuerAddress,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let (tables, secrets) = (Tables::new(&startup), Secrets::new(&startup));
    let context = forever(Context {
        authorize: Authorize::open(&tables, &secrets)?,
        logout: EndClientSession::open(&tables, &secrets)?,
        issuer: IssuerAddress::open(&startup.env)?,
    });
    context.authorize.warm_up().await;
    serve(&startup, |request| handle(context, request)).await
}

async fn handle(context: &Context, request: Request) -> Result<Answer, Problem> {
    let issuer = context.issuer.of(&request);
    let language = caller(&request).language;
    match segment_after(&request, "oauth") {
        Some("authorize") => sign_in::authorize(&context.authorize, &issuer, language, &request).await,
        Some("logout") => sign_out::log_out(&context.logout, &issuer, language, &request).await,
        _ => Err(Problem::NotFound),
    }
}
