//! `POST /oauth/token`, `/oauth/revoke` and `/oauth/introspect`, `GET` and `POST /oauth/userinfo`: gives clients their tokens,
//! and tells what a token is worth.

use twostep_crypto::{access_token::Issuer, opaque_token::OpaqueToken, refresh_token::RefreshToken};
use twostep_domain::{
    client::{Client, ClientKind},
    oidc::{Parameters, Scopes},
};
use twostep_http::{
    Answer, Error, Problem, Request, TokenIssuer, bearer,
    bodies::oauth::{IntrospectionBody, TokensBody, UserInfoBody},
    caller,
    oauth::{self, OAuthError},
    segment_after, serve,
};
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
    serve(startup.clock, |request| handle(context, request)).await
}

async fn handle(context: &Context, request: Request) -> Result<Answer, Problem> {
    let issuer = context.issuer.of(&request);
    let answered = match segment_after(&request, "oauth") {
        Some("token") => token(context, &issuer, &request).await,
        Some("revoke") => revoke(context, &issuer, &request).await,
        Some("introspect") => introspect(context, &issuer, &request).await,
        Some("userinfo") => user_info(context, &issuer, &request).await,
        _ => return Err(Problem::NotFound),
    };
    Ok(answered.unwrap_or_else(OAuthError::into_answer))
}

async fn token(context: &Context, issuer: &Issuer, request: &Request) -> Result<Answer, OAuthError> {
    let form = oauth::form(request)?;
    let client = authenticate(context, request, &form).await?;
    if client.kind == ClientKind::Server {
        return Err(OAuthError::UnauthorizedClient);
    }
    let tokens = match required(&form, "grant_type")? {
        "authorization_code" => {
            let code = OpaqueToken::parse(required(&form, "code")?).ok_or(OAuthError::InvalidGrant)?;
            let redirect_uri = required(&form, "redirect_uri")?;
            let verifier = required(&form, "code_verifier")?;
            context.issue.exchange(issuer, &client, &code, redirect_uri, verifier).await?
        }
        "refresh_token" => {
            let token = RefreshToken::parse(required(&form, "refresh_token")?).map_err(|_| OAuthError::InvalidGrant)?;
            context.issue.refresh(issuer, &client, &token, form.one("scope")?.map(Scopes::parse)).await?
        }
        _ => return Err(OAuthError::UnsupportedGrantType),
    };
    Ok(Answer::json(200, &TokensBody::from(tokens)))
}

async fn revoke(context: &Context, issuer: &Issuer, request: &Request) -> Result<Answer, OAuthError> {
    let form = oauth::form(request)?;
    let client = authenticate(context, request, &form).await?;
    context.inspect.revoke(issuer, &client, required(&form, "token")?).await?;
    Ok(Answer::ok())
}

async fn introspect(context: &Context, issuer: &Issuer, request: &Request) -> Result<Answer, OAuthError> {
    let form = oauth::form(request)?;
    let client = authenticate(context, request, &form).await?;
    if !client.kind.is_confidential() {
        return Err(OAuthError::InvalidClient { basic: false });
    }
    let token = context.inspect.introspect(issuer, &client, required(&form, "token")?).await?;
    Ok(Answer::json(200, &IntrospectionBody::from(token)))
}

async fn user_info(context: &Context, issuer: &Issuer, request: &Request) -> Result<Answer, OAuthError> {
    let token = bearer(request).ok_or(OAuthError::InvalidToken)?;
    Ok(Answer::json(200, &UserInfoBody::from(context.inspect.user_info(issuer, token).await?)))
}

async fn authenticate(context: &Context, request: &Request, form: &Parameters) -> Result<Client, OAuthError> {
    let (credentials, basic) = oauth::client(request, form)?;
    let client = context.clients.authenticate(&caller(request), &credentials).await;
    client.map_err(|error| oauth::refused_client(error, basic))
}

fn required<'a>(form: &'a Parameters, name: &str) -> Result<&'a str, OAuthError> {
    form.one(name)?.ok_or(OAuthError::InvalidRequest)
}
