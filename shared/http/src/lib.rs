//! HTTP: parse requests, write responses, and turn every error into a status in one place.
//!
//! A function reads a body from [`bodies`] into parsed values, calls its use case, and turns the result into an
//! [`Answer`] or a [`Problem`].

mod answer;
pub mod bodies;
mod cookies;
mod cross_origin;
mod edge;
pub mod issuer;
mod json;
pub mod oauth;
mod operators;
mod problem;
mod problems;
mod qr;
mod request;
mod serve;
mod token_transport;

pub use answer::Answer;
pub use cookies::Cookies;
pub use issuer::{IssuerAddress, TokenIssuer};
pub use lambda_http::{
    Error, Request,
    http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue, LINK},
};
pub use operators::{authorised, authorised_to};
pub use problem::Problem;
pub use request::{bearer, body, caller, no_body, query, repeatable, segment_after, wants_representation};
pub use serve::{serve, serve_servers};
pub use token_transport::TokenTransport;
