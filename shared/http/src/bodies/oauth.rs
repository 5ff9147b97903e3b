//! Responses of the token endpoint and of those around it.

use serde::Serialize;
use twostep_crypto::{access_token, id_token::UserClaims};
use twostep_domain::ids::UserId;
use twostep_usecases::oidc::{inspect::ActiveToken, issue::ClientTokens};

/// RFC 6749 §5.1, OpenID Connect Core §3.1.3.3.
#[derive(Serialize)]
pub struct TokensBody {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    id_token: String,
    scope: String,
}

impl From<ClientTokens> for TokensBody {
    fn from(tokens: ClientTokens) -> Self {
        Self {
            access_token: tokens.access_token,
            token_type: "Bearer",
            expires_in: access_token::LIFETIME.as_secs(),
            refresh_token: tokens.refresh_token.map(|token| token.expose()),
            id_token: tokens.id_token,
            scope: tokens.scopes.to_string(),
        }
    }
}

/// OpenID Connect Core §5.3.2.
#[derive(Serialize)]
pub struct UserInfoBody {
    sub: String,
    #[serde(flatten)]
    claims: UserClaims,
}

impl From<(UserId, UserClaims)> for UserInfoBody {
    fn from((id, claims): (UserId, UserClaims)) -> Self {
        Self { sub: id.as_str().to_owned(), claims }
    }
}

/// RFC 7662 §2.2.
#[derive(Default, Serialize)]
pub struct IntrospectionBody {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
}

impl From<Option<ActiveToken>> for IntrospectionBody {
    fn from(token: Option<ActiveToken>) -> Self {
        match token {
            None => Self::default(),
            Some(ActiveToken::Access(claims)) => Self {
                active: true,
                scope: Some(claims.scope.to_string()),
                client_id: claims.client_id.as_ref().map(|id| id.as_str().to_owned()),
                token_type: Some("Bearer"),
                exp: Some(claims.expires_at().0),
                iat: Some(claims.issued_at().0),
                sub: Some(claims.sub.as_str().to_owned()),
                aud: Some(claims.audience().to_owned()),
                iss: Some(claims.issuer().to_owned()),
                jti: Some(claims.token_id().to_owned()),
            },
            Some(ActiveToken::Refresh(grant)) => Self {
                active: true,
                scope: Some(grant.scopes.to_string()),
                client_id: Some(grant.client_id.as_str().to_owned()),
                exp: Some(grant.expires_at.0),
                iat: Some(grant.created_at.0),
                sub: Some(grant.user_id.as_str().to_owned()),
                ..Self::default()
            },
        }
    }
}
