//! CORS (Fetch standard, section 3.3) as in an HTTP API with a CORS configuration: the gateway answers preflights
//! itself, and its headers replace those of the functions.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

pub struct Policy {
    origins: Vec<String>,
    configuration: crate::template::Cors,
}

impl Policy {
    /// Returns `None` without origins: an API without a CORS configuration passes on its functions' headers unchanged.
    #[must_use]
    pub fn new(origins: Vec<String>, configuration: crate::template::Cors) -> Option<Self> {
        (!origins.is_empty()).then_some(Self { origins, configuration })
    }

    /// Returns the response if the request is a preflight.
    #[must_use]
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        let asks = headers.contains_key(header::ORIGIN) && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if *method != Method::OPTIONS || !asks {
            return None;
        }
        let mut response = StatusCode::NO_CONTENT.into_response();
        if self.allow(headers, response.headers_mut()) {
            let max_age = self.configuration.max_age.map(|seconds| seconds.to_string());
            set(
                response.headers_mut(),
                header::ACCESS_CONTROL_ALLOW_METHODS,
                &self.configuration.allow_methods.join(","),
            );
            set(
                response.headers_mut(),
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                &self.configuration.allow_headers.join(","),
            );
            set(response.headers_mut(), header::ACCESS_CONTROL_MAX_AGE, &max_age.unwrap_or_default());
        }
        Some(response)
    }

    /// Replaces the function's CORS headers with the gateway's.
    pub fn apply(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        let own: Vec<HeaderName> =
            answer.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
        for name in own {
            answer.remove(name);
        }
        if self.allow(request, answer) {
            set(answer, header::ACCESS_CONTROL_EXPOSE_HEADERS, &self.configuration.expose_headers.join(","));
        }
    }

    /// Returns whether the request's origin is allowed. Sets `Vary` either way, because the response depends on the
    /// origin.
    fn allow(&self, request: &HeaderMap, answer: &mut HeaderMap) -> bool {
        answer.append(header::VARY, HeaderValue::from_static("origin"));
        let origin = request.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        let allowed = origin.filter(|origin| self.origins.iter().any(|allowed| allowed == origin));
        if let Some(origin) = allowed {
            set(answer, header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        allowed.is_some()
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}
