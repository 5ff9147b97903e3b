//! The objects of the contract, as they are written.

use lambda_http::{
    Body, Response,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
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
    body: Option<String>,
    cache_control: &'static str,
}

impl Answer {
    /// JSON that no cache may keep.
    ///
    /// # Panics
    /// Never for the types of this crate: all are structs with named fields.
    #[must_use]
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_string(body).expect("a struct with named fields");
        Self { status, body: Some(body), cache_control: "no-store" }
    }

    #[must_use]
    pub fn empty() -> Self {
        Self { status: 204, body: None, cache_control: "no-store" }
    }

    /// For what everybody may know and what seldom changes.
    #[must_use]
    pub fn cacheable(self, cache_control: &'static str) -> Self {
        Self { cache_control, ..self }
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let response = Response::builder().status(self.status).header(CACHE_CONTROL, self.cache_control);
        let response = match self.body {
            Some(text) => response.header(CONTENT_TYPE, "application/json").body(Body::Text(text)),
            None => response.body(Body::Empty),
        };
        response.expect("headers are constants")
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
    refresh_token: String,
    user: UserBody,
    /// Spares the second step later; see the contract's `remember_device`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_token: Option<String>,
}

impl SessionBody {
    #[must_use]
    pub fn new(access_token: String, refresh_token: String, user: User) -> Self {
        Self {
            outcome: "signed_in",
            token_type: "Bearer",
            access_token,
            expires_in: access_token::LIFETIME.as_secs(),
            refresh_token,
            user: user.into(),
            device_token: None,
        }
    }
}
