//! Verifications, as `server` clients order and see them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use twostep_domain::{
    challenge::{DeliveryFailure, Reference},
    language::Language,
    one_time_code::OneTimeCode,
    phone::PhoneNumber,
};
use twostep_usecases::{
    codes::ChallengeView,
    verifications::{NewVerification, VerifiedNumber},
};

use crate::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewVerificationBody {
    phone: String,
    reference: Option<String>,
    language: Option<String>,
    end_user_ip: Option<IpAddr>,
}

impl NewVerificationBody {
    /// # Errors
    /// [`Problem::InvalidPhone`]; [`Problem::InvalidRequest`] for a reference or a language that is not possible.
    pub fn parse(self) -> Result<NewVerification, Problem> {
        let invalid = || Problem::InvalidRequest;
        let reference = self.reference.map(|text| Reference::parse(&text).map_err(|_| invalid())).transpose()?;
        let language = self.language.map(|tag| Language::of_tag(&tag).ok_or_else(invalid)).transpose()?;
        let phone = PhoneNumber::parse(&self.phone)?;
        Ok(NewVerification { phone, reference, language, end_user_ip: self.end_user_ip })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckBody {
    code: String,
}

impl CheckBody {
    /// # Errors
    /// [`Problem::InvalidCodeFormat`]
    pub fn parse(&self) -> Result<OneTimeCode, Problem> {
        Ok(OneTimeCode::parse(&self.code)?)
    }
}

#[derive(Serialize)]
pub struct VerificationBody {
    verification_id: String,
    hint: String,
    code_length: usize,
    expires_at: String,
    resend_at: String,
    delivery: &'static str,
    /// Why `delivery` is `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
}

impl From<ChallengeView> for VerificationBody {
    fn from(challenge: ChallengeView) -> Self {
        Self {
            verification_id: challenge.id,
            hint: challenge.hint.unwrap_or_default(),
            code_length: OneTimeCode::LENGTH,
            expires_at: challenge.expires_at.rfc3339(),
            resend_at: challenge.resend_at.rfc3339(),
            delivery: challenge.delivery.into(),
            failure: challenge.failure.map(DeliveryFailure::as_str),
        }
    }
}

#[derive(Serialize)]
pub struct VerifiedNumberBody {
    outcome: &'static str,
    phone: String,
    reference: Option<String>,
    verified_at: String,
}

impl From<VerifiedNumber> for VerifiedNumberBody {
    fn from(verified: VerifiedNumber) -> Self {
        Self {
            outcome: "verified",
            phone: verified.phone.e164().to_owned(),
            reference: verified.reference.map(|reference| reference.as_str().to_owned()),
            verified_at: verified.at.rfc3339(),
        }
    }
}
