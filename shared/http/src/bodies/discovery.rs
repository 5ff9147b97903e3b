//! Discovery documents (OpenID Connect Discovery 1.0 §3, RFC 8414, RFC 7517).

use jsonwebtoken::jwk::Jwk;
use serde::Serialize;
use twostep_crypto::id_token::UserClaims;
use twostep_domain::{
    language::Language,
    oidc::{AssuranceLevel, Scope},
};

type Texts = &'static [&'static str];

/// Everything that the service can do, and nothing else. The same document answers both well-known addresses.
#[expect(clippy::struct_excessive_bools, reason = "the fields of the standard")]
#[derive(Serialize)]
pub struct DiscoveryBody {
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: String,
    revocation_endpoint: String,
    introspection_endpoint: String,
    end_session_endpoint: String,
    jwks_uri: String,
    service_documentation: String,
    issuer: String,
    scopes_supported: [&'static str; Scope::ALL.len()],
    response_types_supported: Texts,
    response_modes_supported: Texts,
    grant_types_supported: Texts,
    prompt_values_supported: Texts,
    acr_values_supported: [&'static str; AssuranceLevel::ALL.len()],
    subject_types_supported: Texts,
    id_token_signing_alg_values_supported: Texts,
    token_endpoint_auth_methods_supported: Texts,
    revocation_endpoint_auth_methods_supported: Texts,
    introspection_endpoint_auth_methods_supported: Texts,
    code_challenge_methods_supported: Texts,
    claims_supported: Vec<&'static str>,
    ui_locales_supported: [&'static str; Language::ALL.len()],
    authorization_response_iss_parameter_supported: bool,
    claims_parameter_supported: bool,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
}

impl DiscoveryBody {
    const CLAIMS: [&'static str; 11] =
        ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "amr", "acr", "at_hash", "sid"];

    #[must_use]
    pub fn new(issuer: String) -> Self {
        Self {
            authorization_endpoint: format!("{issuer}/oauth/authorize"),
            token_endpoint: format!("{issuer}/oauth/token"),
            userinfo_endpoint: format!("{issuer}/oauth/userinfo"),
            revocation_endpoint: format!("{issuer}/oauth/revoke"),
            introspection_endpoint: format!("{issuer}/oauth/introspect"),
            end_session_endpoint: format!("{issuer}/oauth/logout"),
            jwks_uri: format!("{issuer}/.well-known/jwks.json"),
            service_documentation: format!("{issuer}/docs"),
            issuer,
            scopes_supported: Scope::ALL.map(Scope::as_str),
            response_types_supported: &["code"],
            response_modes_supported: &["query"],
            grant_types_supported: &["authorization_code", "refresh_token"],
            prompt_values_supported: &["none", "login"],
            acr_values_supported: AssuranceLevel::ALL.map(AssuranceLevel::as_str),
            subject_types_supported: &["public"],
            id_token_signing_alg_values_supported: &["RS256"],
            token_endpoint_auth_methods_supported: &["client_secret_basic", "client_secret_post", "none"],
            revocation_endpoint_auth_methods_supported: &["client_secret_basic", "client_secret_post", "none"],
            introspection_endpoint_auth_methods_supported: &["client_secret_basic", "client_secret_post"],
            code_challenge_methods_supported: &["S256"],
            claims_supported: Self::CLAIMS.into_iter().chain(UserClaims::NAMES).collect(),
            ui_locales_supported: Language::ALL.map(Language::tag),
            authorization_response_iss_parameter_supported: true,
            claims_parameter_supported: false,
            request_parameter_supported: false,
            request_uri_parameter_supported: false,
        }
    }
}

#[derive(Serialize)]
pub struct JwksBody {
    pub keys: Vec<Jwk>,
}
