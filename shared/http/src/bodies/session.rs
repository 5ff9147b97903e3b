//! Sessions, and the tokens that keep them.

use serde::Serialize;
use twostep_crypto::{access_token, device_token::DeviceToken};
use twostep_domain::account::Device;
use twostep_usecases::SignedIn;

use super::{ChallengeBody, UserBody};
use crate::cookies::KeptToken;

#[derive(Serialize)]
pub struct SessionBody {
    outcome: &'static str,
    token_type: &'static str,
    access_token: String,
    expires_in: u64,
    /// `None` if it travels in a cookie, see [`crate::TokenTransport`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<KeptToken>,
    user: UserBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device_token: Option<KeptToken>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_challenge: Option<ChallengeBody>,
}

impl From<SignedIn> for SessionBody {
    fn from(signed_in: SignedIn) -> Self {
        let device = |token: DeviceToken| KeptToken::new(token.expose(), Device::LIFETIME);
        Self {
            outcome: "signed_in",
            token_type: "Bearer",
            access_token: signed_in.access_token,
            expires_in: access_token::LIFETIME.as_secs(),
            refresh_token: Some(KeptToken::new(signed_in.refresh_token.expose(), signed_in.refresh_token_lasts)),
            user: signed_in.user.into(),
            device_token: signed_in.device_token.map(device),
            email_challenge: signed_in.email_challenge.map(ChallengeBody::from),
        }
    }
}
