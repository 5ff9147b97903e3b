//! Requests that come through the edge (`edge.yaml`): CloudFront adds a secret header and the viewer's address. Where the
//! operator demands the secret, nothing else is served, and the viewer's address is the client IP.

use std::net::IpAddr;

use lambda_http::{Request, http::HeaderMap, request::RequestContext};
use twostep_crypto::origin_secret::OriginSecrets;

use super::Problem;

const SECRET: &str = "x-origin-secret";
/// Set by the edge's function to CloudFront's `event.viewer.ip`, whatever the viewer has sent.
const VIEWER: &str = "x-viewer-address";

pub struct Edge {
    secrets: OriginSecrets,
}

impl Edge {
    #[must_use]
    pub fn new(secrets: OriginSecrets) -> Self {
        Self { secrets }
    }

    /// Lets a request in. Without an edge, its headers mean nothing.
    ///
    /// # Errors
    /// [`Problem::DirectAccess`] if an edge is demanded and the request didn't come through it.
    pub fn admit(&self, request: &mut Request) -> Result<(), Problem> {
        if !self.secrets.are_required() {
            return Ok(());
        }
        if !self.came_through(request.headers()) {
            return Err(Problem::DirectAccess);
        }
        request.headers_mut().remove(SECRET);
        // Without the header, all callers share the edge's own address, and so its limits.
        if let Some(viewer) = viewer(request.headers())
            && let Some(RequestContext::ApiGatewayV2(context)) = request.extensions_mut().get_mut::<RequestContext>()
        {
            context.http.source_ip = Some(viewer.to_string());
        }
        Ok(())
    }

    fn came_through(&self, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(SECRET).iter();
        // The gateway joins repeated headers, and a joined value is no secret.
        given.next().is_some_and(|secret| self.secrets.accept(secret.as_bytes())) && given.next().is_none()
    }
}

fn viewer(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get(VIEWER)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;

    use super::*;
    use crate::request::{caller, with_headers};

    /// SHA-256 of "abc" (FIPS 180-4's example).
    const OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn admit(hashes: &str, headers: &[(&str, &str)]) -> Result<String, Problem> {
        let mut request = with_headers(headers);
        let mut context = ApiGatewayV2httpRequestContext::default();
        context.http.source_ip = Some("192.0.2.1".to_owned());
        request.extensions_mut().insert(RequestContext::ApiGatewayV2(context));
        Edge::new(OriginSecrets::parse(hashes).unwrap()).admit(&mut request)?;
        if !hashes.is_empty() {
            assert!(!request.headers().contains_key(SECRET), "the secret goes no further");
        }
        Ok(caller(&request).client_ip.to_string())
    }

    #[test]
    fn without_an_edge_every_request_is_served_and_no_header_changes_its_address() {
        for headers in [&[][..], &[(VIEWER, "203.0.113.7")], &[(SECRET, "abc"), (VIEWER, "203.0.113.7")]] {
            assert_eq!(admit("", headers).unwrap(), "192.0.2.1");
        }
    }

    #[test]
    fn with_an_edge_the_right_secret_is_needed() {
        for headers in [
            &[][..],
            &[(VIEWER, "203.0.113.7")],
            &[(SECRET, "abd")],
            &[(SECRET, "")],
            &[(SECRET, OF_ABC)],
            &[(SECRET, "abc"), (SECRET, "abc")],
        ] {
            assert_eq!(admit(OF_ABC, headers), Err(Problem::DirectAccess), "{headers:?}");
        }
    }

    #[test]
    fn the_viewer_s_address_is_the_client_ip() {
        for address in ["203.0.113.7", "2001:db8::7"] {
            assert_eq!(admit(OF_ABC, &[(SECRET, "abc"), (VIEWER, address)]).unwrap(), address);
        }
        for none in ["", "203.0.113.7:443", "unknown"] {
            assert_eq!(admit(OF_ABC, &[(SECRET, "abc"), (VIEWER, none)]).unwrap(), "192.0.2.1", "{none}");
        }
    }
}
