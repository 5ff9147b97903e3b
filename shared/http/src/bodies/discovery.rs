//! Discovery documents (RFC 8414, RFC 7517).

use jsonwebtoken::jwk::Jwk;
use serde::Serialize;

#[derive(Serialize)]
pub struct DiscoveryBody {
    issuer: String,
    jwks_uri: String,
    response_types_supported: [&'static str; 0],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
}

impl DiscoveryBody {
    #[must_use]
    pub fn new(issuer: String) -> Self {
        Self {
            jwks_uri: format!("{issuer}/.well-known/jwks.json"),
            issuer,
            response_types_supported: [],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: ["RS256"],
        }
    }
}

#[derive(Serialize)]
pub struct JwksBody {
    pub keys: Vec<Jwk>,
}
