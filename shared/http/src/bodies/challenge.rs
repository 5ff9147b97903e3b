//! Challenges, and the body that starts one.

use serde::{Deserialize, Serialize};
use twostep_domain::{
    challenge::DeliveryFailure, country::Country, email::EmailAddress, one_time_code::OneTimeCode, phone::PhoneNumber,
};
use twostep_usecases::codes::ChallengeView;

use super::settings::named;
use crate::Problem;

/// The body of every route that starts with a number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhoneBody {
    phone: String,
    #[serde(default, deserialize_with = "named")]
    country: Option<String>,
}

impl PhoneBody {
    /// The number: international, or as people in the country write it.
    ///
    /// # Errors
    /// [`Problem::InvalidPhone`]; [`Problem::InvalidRequest`] for a country that doesn't exist.
    pub fn parse(&self) -> Result<PhoneNumber, Problem> {
        let Some(country) = &self.country else { return Ok(PhoneNumber::parse(&self.phone)?) };
        let country = Country::parse(country).map_err(|_| Problem::InvalidRequest)?;
        Ok(PhoneNumber::parse_in(&self.phone, country)?)
    }
}

/// The body of every route that starts with an email address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailBody {
    email: String,
}

impl EmailBody {
    /// # Errors
    /// [`Problem::InvalidEmail`]
    pub fn parse(&self) -> Result<EmailAddress, Problem> {
        Ok(EmailAddress::parse(&self.email)?)
    }
}

#[derive(Serialize)]
pub struct ChallengeBody {
    challenge_id: String,
    purpose: &'static str,
    channel: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// For SMS, the same as `hint`.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_hint: Option<String>,
    /// What a second step accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    methods: Option<Vec<&'static str>>,
    code_length: usize,
    expires_at: String,
    resend_at: String,
    delivery: &'static str,
    /// Why `delivery` is `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
}

impl From<ChallengeView> for ChallengeBody {
    fn from(challenge: ChallengeView) -> Self {
        Self {
            challenge_id: challenge.id,
            purpose: challenge.purpose.as_str(),
            channel: challenge.channel.as_str(),
            phone_hint: challenge.hint.clone().filter(|_| challenge.channel.is_sms()),
            hint: challenge.hint,
            methods: challenge.methods.map(|methods| methods.into_iter().map(Into::into).collect()),
            code_length: OneTimeCode::LENGTH,
            expires_at: challenge.expires_at.rfc3339(),
            resend_at: challenge.resend_at.rfc3339(),
            delivery: challenge.delivery.into(),
            failure: challenge.failure.map(DeliveryFailure::as_str),
        }
    }
}
