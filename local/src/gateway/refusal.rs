//! Errors that the gateway returns itself, with the texts of API Gateway's HTTP APIs.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No route has this path and method.
    NotFound,
    PayloadTooLarge,
    HeadersTooLarge,
    /// The route's throttle is exhausted.
    TooManyRequests,
    /// The function failed or returned a malformed result.
    InternalServerError,
    /// The function's concurrency is exhausted, or the function exceeded the integration timeout.
    ServiceUnavailable,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "Not Found"),
            Self::PayloadTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
            Self::HeadersTooLarge => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large"),
            Self::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
            Self::InternalServerError => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
            Self::ServiceUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        };
        let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        (status, json, json!({ "message": message }).to_string()).into_response()
    }
}
