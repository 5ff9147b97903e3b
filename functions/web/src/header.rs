//! Request headers.

use lambda_http::http::{HeaderMap, HeaderName};

/// The text of a header; empty if it is missing or not ASCII.
pub fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
