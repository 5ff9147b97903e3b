//! The bodies of a password reset.

use secrecy::SecretString;
use serde::Deserialize;
use twostep_domain::{email::EmailAddress, phone::PhoneNumber};

use super::challenge::{EmailBody, PhoneBody};
use crate::Problem;

/// Whom the code goes to.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum ForgotBody {
    Email(EmailBody),
    Phone(PhoneBody),
}

pub enum Forgot {
    Email(EmailAddress),
    Phone(PhoneNumber),
}

impl ForgotBody {
    /// # Errors
    /// [`Problem::InvalidEmail`], and those of [`PhoneBody::parse`]
    pub fn parse(&self) -> Result<Forgot, Problem> {
        Ok(match self {
            Self::Email(email) => Forgot::Email(email.parse()?),
            Self::Phone(phone) => Forgot::Phone(phone.parse()?),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetBody {
    pub reset_token: String,
    pub new_password: SecretString,
}
