//! The security headers: pages can run only their own scripts and call only their own origin.

use lambda_http::http::{
    HeaderValue,
    header::{
        CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
        X_FRAME_OPTIONS,
    },
};
use twostep_http::Answer;

const HEADERS: [(HeaderName, &str); 6] = [
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

/// What a page may use besides the site's own files, because the site's look asks for it.
#[derive(Default)]
pub struct Sources {
    /// The origin of the logo.
    pub image_origin: Option<String>,
    /// The SHA-256 of the page's only inline style, in Base64.
    pub style_hash: Option<String>,
}

impl Sources {
    fn policy(&self) -> HeaderValue {
        let images = self.image_origin.as_ref().map(|origin| format!(" {origin}")).unwrap_or_default();
        let styles = self.style_hash.as_ref().map(|hash| format!(" 'sha256-{hash}'")).unwrap_or_default();
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'{styles}; img-src 'self' data:{images}; \
             connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        HeaderValue::from_str(&policy).expect("an origin and a hash are visible ASCII")
    }
}

pub fn protect(answer: Answer, sources: &Sources) -> Answer {
    let answer = answer.with_header(CONTENT_SECURITY_POLICY, sources.policy());
    HEADERS.into_iter().fold(answer, |answer, (name, value)| answer.with_header(name, HeaderValue::from_static(value)))
}
