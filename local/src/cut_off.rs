//! Faults that any provider can have.

use std::time::Duration;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};

pub const SLOW: Duration = Duration::from_secs(3);
pub const HANG: Duration = Duration::from_secs(60);

/// A response that breaks off, so that the caller can't know whether its request succeeded.
pub fn cut_off() -> Response {
    let broken = futures_util::stream::once(async { Err::<Vec<u8>, _>(std::io::Error::other("cut off")) });
    Body::from_stream(broken).into_response()
}
