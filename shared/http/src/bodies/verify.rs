//! Entering a code, and what a correct one gives.

use lambda_http::Request;
use serde::{Deserialize, Serialize};
use twostep_crypto::{recovery_code::RecoveryCode, registration_token};
use twostep_domain::{one_time_code::OneTimeCode, reset};
use twostep_usecases::codes::verify::{Entry, Guess, Verified};

use super::{ChallengeBody, UserBody};
use crate::{Answer, Problem, TokenTransport};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyBody {
    code: Option<String>,
    /// For a second step, in place of the code: the code of an app.
    totp: Option<String>,
    /// In place of the code, for a second step or a sign-in by phone.
    recovery_code: Option<String>,
    /// For a second step: skip it on this device for thirty days.
    #[serde(default)]
    remember_device: bool,
}

impl VerifyBody {
    /// # Errors
    /// [`Problem::InvalidRequest`] unless there is exactly one code; [`Problem::InvalidCodeFormat`],
    /// [`Problem::InvalidTotpFormat`], [`Problem::InvalidRecoveryCodeFormat`]
    pub fn parse(&self) -> Result<Entry, Problem> {
        let guess = match (&self.code, &self.totp, &self.recovery_code) {
            (Some(code), None, None) => Guess::Code(OneTimeCode::parse(code)?),
            (None, Some(code), None) => Guess::Totp(OneTimeCode::parse(code).map_err(|_| Problem::InvalidTotpFormat)?),
            (None, None, Some(code)) => {
                let code = RecoveryCode::parse(code).map_err(|_| Problem::InvalidRecoveryCodeFormat)?;
                Guess::RecoveryCode(code)
            }
            _ => return Err(Problem::InvalidRequest),
        };
        Ok(Entry { guess, remember_device: self.remember_device })
    }
}

#[derive(Serialize)]
struct MayRegisterBody {
    outcome: &'static str,
    registration_token: String,
    expires_in: u64,
}

#[derive(Serialize)]
struct PhoneSetBody {
    outcome: &'static str,
    user: UserBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_codes: Option<Vec<String>>,
}

#[derive(Serialize)]
struct PhoneIdleBody {
    outcome: &'static str,
    registration_token: String,
    expires_in: u64,
    confirm_with: Vec<&'static str>,
}

#[derive(Serialize)]
struct EmailVerifiedBody {
    outcome: &'static str,
    user: UserBody,
}

#[derive(Serialize)]
struct MayResetBody {
    outcome: &'static str,
    reset_token: String,
    expires_in: u64,
}

#[derive(Serialize)]
struct SecondStepBody {
    outcome: &'static str,
    challenge: ChallengeBody,
}

/// The response to a correct code.
#[must_use]
pub fn verified(transport: TokenTransport, request: &Request, verified: Verified) -> Answer {
    match verified {
        Verified::SignedIn(signed_in) => transport.session(request, 200, (*signed_in).into()),
        Verified::MayRegister { registration_token } => Answer::json(
            200,
            &MayRegisterBody {
                outcome: "phone_verified",
                registration_token,
                expires_in: registration_token::LIFETIME.as_secs(),
            },
        ),
        Verified::PhoneIdle { registration_token, confirm_with } => Answer::json(
            200,
            &PhoneIdleBody {
                outcome: "phone_idle",
                registration_token,
                expires_in: registration_token::LIFETIME.as_secs(),
                confirm_with: confirm_with.into_iter().map(<&str>::from).collect(),
            },
        ),
        Verified::EmailVerified { user } => {
            Answer::json(200, &EmailVerifiedBody { outcome: "email_verified", user: (*user).into() })
        }
        Verified::MayReset { reset_token } => Answer::json(
            200,
            &MayResetBody { outcome: "may_reset", reset_token, expires_in: reset::LIFETIME.as_secs() },
        ),
        Verified::SecondStep(challenge) => {
            Answer::json(200, &SecondStepBody { outcome: "second_step", challenge: challenge.into() })
        }
        Verified::PhoneSet { user, recovery_codes } => {
            Answer::json(200, &PhoneSetBody { outcome: "phone_verified", user: (*user).into(), recovery_codes })
        }
    }
}
