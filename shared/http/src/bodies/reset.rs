//! The bodies of a password reset.

use secrecy::SecretString;
use serde::Deserialize;
use twostep_domain::{email::EmailAddress, phone::PhoneNumber};

use crate::Problem;

/// Whom the code goes to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgotBody {
    email: Option<String>,
    phone: Option<String>,
}

pub enum Forgot {
    Email(EmailAddress),
    Phone(PhoneNumber),
}

impl ForgotBody {
    /// # Errors
    /// [`Problem::InvalidRequest`] unless there is exactly one of both; [`Problem::InvalidEmail`],
    /// [`Problem::InvalidPhone`]
    pub fn parse(&self) -> Result<Forgot, Problem> {
        match (&self.email, &self.phone) {
            (Some(email), None) => Ok(Forgot::Email(EmailAddress::parse(email)?)),
            (None, Some(phone)) => Ok(Forgot::Phone(PhoneNumber::parse(phone)?)),
            _ => Err(Problem::InvalidRequest),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetBody {
    pub reset_token: String,
    pub new_password: SecretString,
}
