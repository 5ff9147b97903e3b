//! The security headers: pages can run only their own scripts and call only their own origin.

use lambda_http::http::{
    HeaderValue,
    header::{
        CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
        X_FRAME_OPTIONS,
    },
};
use twostep_http::Answer;

const HEADERS: [(HeaderName, &str); 7] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    // Browsers apply this only over https, so it doesn't affect a laptop.
    (STRICT_TRANSPORT_SECURITY, "max-age=63072000"),
    // Only WebOTP is allowed, which autofills codes.
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=(), otp-credentials=(self)",
    ),
];

pub fn protect(answer: Answer) -> Answer {
    HEADERS.into_iter().fold(answer, |answer, (name, value)| answer.with_header(name, HeaderValue::from_static(value)))
}
