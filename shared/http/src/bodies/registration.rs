//! The bodies that create an account.

use secrecy::SecretString;
use serde::Deserialize;
use twostep_domain::{email::EmailAddress, person_name::PersonName};

use crate::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompleteBody {
    registration_token: String,
    name: String,
    email: String,
}

impl CompleteBody {
    /// The registration token, the name and the email address.
    ///
    /// # Errors
    /// [`Problem::InvalidName`], [`Problem::InvalidEmail`]
    pub fn parse(self) -> Result<(String, PersonName, EmailAddress), Problem> {
        let (name, email) = (PersonName::parse(&self.name)?, EmailAddress::parse(&self.email)?);
        Ok((self.registration_token, name, email))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordRegistrationBody {
    name: String,
    email: String,
    password: SecretString,
}

impl PasswordRegistrationBody {
    /// # Errors
    /// [`Problem::InvalidName`], [`Problem::InvalidEmail`]
    pub fn parse(self) -> Result<(PersonName, EmailAddress, SecretString), Problem> {
        Ok((PersonName::parse(&self.name)?, EmailAddress::parse(&self.email)?, self.password))
    }
}
