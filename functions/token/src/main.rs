//! `POST /oauth/token`, `/oauth/revoke` and `/oauth/introspect`, `GET` and `POST /oauth/userinfo`: gives clients their tokens,
//! and tells what a token is worth.

mod endpoints;

use twostep_http::{Answer, Error, Problem, Request, TokenIssuer, oauth::OAuthError, segment_after, serve_servers};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::oidc::{AuthenticateClient, InspectTokens, IssueTokens};

struct Context {
    clients: AuthenticateClient,
    issue: IssueTokens,
    inspect: InspectTokens,
    issuer: TokenIssuer,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let (tables, secrets) = (Tables::new(&startup), Secrets::new(&startup));
    let context = forever(Context {
        clients: AuthenticateClient::open(&tables, &secrets)?,
        issue: IssueTokens::open(&tables, &secrets)?,
        inspect: InspectTokens::open(&tables, &secrets)?,
        issuer: TokenIssuer::open(&startup.env)?,
    });
    tokio::join!(context.clients.warm_up(), context.issue.warm_up());
    serve_servers(&startup, |request| handle(context, request)).await
}

async fn handle(context: &Context, request: Request) -> Result<Answer, Problem> {
    let issuer = context.issuer.of(&request);
    let answered = match segment_after(&request, "oauth") {
        Some("token") => endpoints::token(context, &issuer, &request).await,
        Some("revoke") => endpoints::revoke(context, &issuer, &request).await,
        Some("introspect") => endpoints::introspect(context, &issuer, &request).await,
        Some("userinfo") => endpoints::user_info(context, &issuer, &request).await,
        _ => return Err(Problem::NotFound),
    };
    Ok(answered.unwrap_or_else(OAuthError::into_answer))
}
