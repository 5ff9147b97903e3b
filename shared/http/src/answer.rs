//! Successful responses.

use lambda_http::{
    Body, Response,
    http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde::Serialize;

/// A successful response.
pub struct Answer {
    status: u16,
    body: Body,
    cache_control: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    /// JSON that no cache may store.
    ///
    /// # Panics
    /// Never for the types of this workspace: all are structs with named fields.
    #[must_use]
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_string(body).expect("a struct with named fields");
        Self::new(status, Body::Text(body)).with_header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }

    #[must_use]
    pub fn empty() -> Self {
        Self::new(204, Body::Empty)
    }

    /// A file as it is, in whatever encoding.
    #[must_use]
    pub fn file(content_type: &'static str, content: impl Into<Vec<u8>>) -> Self {
        Self::new(200, Body::Binary(content.into())).with_header(CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// The client has it already (RFC 9110 §15.4.5).
    #[must_use]
    pub fn not_modified() -> Self {
        Self::new(304, Body::Empty)
    }

    fn new(status: u16, body: Body) -> Self {
        Self { status, body, cache_control: "no-store", headers: Vec::new() }
    }

    /// For what is public and seldom changes.
    #[must_use]
    pub fn cacheable(self, cache_control: &'static str) -> Self {
        Self { cache_control, ..self }
    }

    /// Adds a header. A name that is added twice is sent twice.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::builder().status(self.status).header(CACHE_CONTROL, self.cache_control);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(self.body).expect("headers were parsed")
    }
}
