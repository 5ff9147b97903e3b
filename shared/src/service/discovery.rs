//! What anyone needs to check a token by themselves (RFC 8414, RFC 7517).

use jsonwebtoken::jwk::Jwk;
use lambda_http::Request;
use serde::Serialize;

use super::Service;
use crate::http::Problem;

#[derive(Serialize)]
pub struct DiscoveryBody {
    issuer: String,
    jwks_uri: String,
    response_types_supported: [&'static str; 0],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
}

#[derive(Serialize)]
pub struct JwksBody {
    keys: Vec<Jwk>,
}

impl Service {
    #[must_use]
    pub fn discovery(&self, request: &Request) -> DiscoveryBody {
        let issuer = self.issuer(request).issuer;
        DiscoveryBody {
            jwks_uri: format!("{issuer}/.well-known/jwks.json"),
            issuer,
            response_types_supported: [],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: ["RS256"],
        }
    }

    /// # Errors
    /// [`Problem::Unavailable`] when the keys cannot be read.
    pub async fn jwks(&self) -> Result<JwksBody, Problem> {
        Ok(JwksBody { keys: self.keys.get().await?.jwks(self.now()).cloned().collect() })
    }
}
