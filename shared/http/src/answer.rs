//! Successful responses.

use lambda_http::{
    Body, Response,
    http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY},
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

    /// 200 without a body, where a standard demands that status (RFC 7009 §2.2).
    #[must_use]
    pub fn ok() -> Self {
        Self::new(200, Body::Empty)
    }

    #[must_use]
    pub fn empty() -> Self {
        Self::new(204, Body::Empty)
    }

    /// 202 without a body.
    #[must_use]
    pub fn accepted() -> Self {
        Self::new(202, Body::Empty)
    }

    /// A file as it is, in whatever encoding.
    #[must_use]
    pub fn file(content_type: &'static str, content: impl Into<Vec<u8>>) -> Self {
        Self::new(200, Body::Binary(content.into())).with_header(CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// Sends the browser to `location` (RFC 9110 §15.4.3), which learns nothing of this address.
    ///
    /// # Panics
    /// Never for locations that consist of what URIs allow.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        let mut location = HeaderValue::try_from(location).expect("a URI has no control characters");
        location.set_sensitive(true);
        Self::new(302, Body::Empty)
            .with_header(LOCATION, location)
            .with_header(REFERRER_POLICY, HeaderValue::from_static("no-referrer"))
    }

    /// A page that is made for one response.
    #[must_use]
    pub fn page(status: u16, html: String) -> Self {
        Self::new(status, Body::Text(html))
            .with_header(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))
    }

    /// The client has it already (RFC 9110 §15.4.5).
    #[must_use]
    pub fn not_modified() -> Self {
        Self::new(304, Body::Empty)
    }

    /// The same page as an answer about a path that doesn't exist.
    #[must_use]
    pub fn not_found(self) -> Self {
        Self { status: 404, cache_control: "no-store", ..self }
    }

    /// What `HEAD` gets instead of `GET` (RFC 9110 §9.3.2).
    #[must_use]
    pub fn without_body(self) -> Self {
        Self { body: Body::Empty, ..self }
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
