//! The endpoints: each reads its form, calls its use case, and writes the response.

use twostep_crypto::{access_token::Issuer, opaque_token::OpaqueToken, refresh_token::RefreshToken};
use twostep_domain::{
    client::{Client, ClientKind},
    oidc::{Parameters, Scopes},
};
use twostep_http::{
    Answer, Request, bearer,
    bodies::oauth::{IntrospectionBody, TokensBody, UserInfoBody},
    caller,
    oauth::{self, OAuthError},
};

use crate::Context;

pub async fn token(context: &Context, issuer: &Issuer, request: &Request) -> Result<Answer, OAuthError> {
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

pub async fn revoke(context: &Context, issuer: &Issuer, request: &Request) -> Result<Answer, OAuthError> {
    let form = oauth::form(request)?;
    let client = authenticate(context, request, &form).await?;
    context.inspect.revoke(issuer, &client, required(&form, "token")?).await?;
    Ok(Answer::ok())
}

pub async fn introspect(context: &Context, issuer: &Issuer, request: &Request) -> Result<Answer, OAuthError> {
    let form = oauth::form(request)?;
    let client = authenticate(context, request, &form).await?;
    if !client.kind.is_confidential() {
        return Err(OAuthError::InvalidClient { basic: false });
    }
    let token = context.inspect.introspect(issuer, &client, required(&form, "token")?).await?;
    Ok(Answer::json(200, &IntrospectionBody::from(token)))
}

pub async fn user_info(context: &Context, issuer: &Issuer, request: &Request) -> Result<Answer, OAuthError> {
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
