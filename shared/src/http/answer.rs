//! The objects of the contract, as they are written.

use std::time::Duration;

use lambda_http::{
    Body, Response,
    http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde::Serialize;

use crate::{
    access_token,
    challenge::{Challenge, ChallengeId, DeliveryReport, Payload, Policy, Purpose},
    clock::Timestamp,
    code::Code,
    keys::Pepper,
    phone::PhoneNumber,
    spending::Failure,
    users::User,
};

/// A successful answer.
pub struct Answer {
    status: u16,
    body: Body,
    cache_control: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    /// JSON that no cache may keep.
    ///
    /// # Panics
    /// Never for the types of this crate: all are structs with named fields.
    #[must_use]
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_string(body).expect("a struct with named fields");
        Self::new(status, Body::Text(body)).with_header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }

    #[must_use]
    pub fn empty() -> Self {
        Self::new(204, Body::Empty)
    }

    /// A file as it is, whatever it is encoded as.
    #[must_use]
    pub fn file(content_type: &'static str, content: &'static [u8]) -> Self {
        Self::new(200, Body::Binary(content.to_vec())).with_header(CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// Who asks has it already (RFC 9110 §15.4.5).
    #[must_use]
    pub fn not_modified() -> Self {
        Self::new(304, Body::Empty)
    }

    fn new(status: u16, body: Body) -> Self {
        Self { status, body, cache_control: "no-store", headers: Vec::new() }
    }

    /// For what everybody may know and what seldom changes.
    #[must_use]
    pub fn cacheable(self, cache_control: &'static str) -> Self {
        Self { cache_control, ..self }
    }

    /// One more header; a name that is given twice is sent twice.
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

/// The contract's Challenge.
#[derive(Serialize)]
pub struct ChallengeBody {
    challenge_id: String,
    purpose: Purpose,
    phone_hint: String,
    code_length: usize,
    expires_at: String,
    resend_at: String,
    delivery: DeliveryReport,
    /// Why `delivery` is `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

impl ChallengeBody {
    /// `delivery` of a login always reads `sent`: anything else would tell who has an account.
    #[must_use]
    pub fn new(challenge: &Challenge, payload: &Payload, pepper: &Pepper, policy: &Policy, now: Timestamp) -> Self {
        let (delivery, failure) = match payload.purpose {
            Purpose::Login => (DeliveryReport::Sent, None),
            _ => (challenge.delivery_report(now, policy), challenge.failure),
        };
        Self {
            challenge_id: ChallengeId::write(pepper, &challenge.key, challenge.issue),
            purpose: payload.purpose,
            phone_hint: payload.phone.hint(),
            code_length: Code::LENGTH,
            expires_at: challenge.expires_at.rfc3339(),
            resend_at: challenge.resend_at(policy).rfc3339(),
            delivery,
            failure,
        }
    }
}

/// The contract's User.
#[derive(Serialize)]
pub struct UserBody {
    id: String,
    name: String,
    email: String,
    email_verified: bool,
    phone: Option<PhoneNumber>,
    two_step: bool,
    created_at: String,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.id.as_str().to_owned(),
            name: user.name.into(),
            email: user.email.into(),
            email_verified: false,
            phone: user.phone,
            two_step: user.two_step,
            created_at: user.created_at.rfc3339(),
        }
    }
}

/// The contract's Session.
#[derive(Serialize)]
pub struct SessionBody {
    outcome: &'static str,
    token_type: &'static str,
    access_token: String,
    expires_in: u64,
    /// None when a cookie carries it, see [`super::Carrier`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<KeptToken>,
    user: UserBody,
    /// Spares the second step later; see the contract's `remember_device`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_token: Option<KeptToken>,
}

/// A token that its owner keeps, and for how long that is of use.
#[derive(Serialize)]
#[serde(transparent)]
pub struct KeptToken {
    text: String,
    #[serde(skip)]
    pub(super) lasts: Duration,
}

impl KeptToken {
    #[must_use]
    pub fn new(text: String, lasts: Duration) -> Self {
        Self { text, lasts }
    }

    pub(super) fn expose(&self) -> &str {
        &self.text
    }
}

impl SessionBody {
    #[must_use]
    pub fn new(access_token: String, refresh_token: KeptToken, user: User) -> Self {
        Self {
            outcome: "signed_in",
            token_type: "Bearer",
            access_token,
            expires_in: access_token::LIFETIME.as_secs(),
            refresh_token: Some(refresh_token),
            user: user.into(),
            device_token: None,
        }
    }
}
