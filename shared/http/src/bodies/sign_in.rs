//! The bodies of a password sign-in, and of what confirms a sign-in by phone.

use lambda_http::Request;
use secrecy::SecretString;
use serde::Deserialize;
use twostep_crypto::{device_token::DeviceToken, password::Password, recovery_code::RecoveryCode};
use twostep_domain::{email::EmailAddress, one_time_code::OneTimeCode};
use twostep_usecases::sign_in::confirm::Proof;

use crate::{Problem, TokenTransport, request};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInBody {
    email: String,
    password: SecretString,
    device_token: Option<SecretString>,
}

/// What confirms a sign-in by a number that was not used for long.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmBody {
    registration_token: String,
    password: Option<SecretString>,
    totp: Option<String>,
    recovery_code: Option<String>,
}

impl ConfirmBody {
    /// The registration token, and what confirms it.
    ///
    /// # Errors
    /// [`Problem::InvalidRequest`] unless there is exactly one proof; [`Problem::InvalidTotpFormat`],
    /// [`Problem::InvalidRecoveryCodeFormat`]
    pub fn parse(self) -> Result<(String, Proof), Problem> {
        let proof = match (self.password, self.totp, self.recovery_code) {
            (Some(password), None, None) => Proof::Password(Password::read(&password)),
            (None, Some(code), None) => Proof::Totp(OneTimeCode::parse(&code).map_err(|_| Problem::InvalidTotpFormat)?),
            (None, None, Some(code)) => {
                Proof::RecoveryCode(RecoveryCode::parse(&code).map_err(|_| Problem::InvalidRecoveryCodeFormat)?)
            }
            _ => return Err(Problem::InvalidRequest),
        };
        Ok((self.registration_token, proof))
    }
}

/// A password sign-in, parsed.
pub struct PasswordSignIn {
    pub email: EmailAddress,
    pub password: Password,
    /// Of whatever accounts were remembered here.
    pub devices: Vec<DeviceToken>,
}

/// # Errors
/// [`Problem::InvalidRequest`], also if a client that keeps its tokens in cookies sends one in the body;
/// [`Problem::InvalidCredentials`] for an email address or a password that no account can have.
pub fn read(request: &Request, transport: TokenTransport) -> Result<PasswordSignIn, Problem> {
    let body: SignInBody = request::body(request)?;
    let devices = transport.device_tokens(request, body.device_token.as_ref())?;
    let (Ok(email), Some(password)) = (EmailAddress::parse(&body.email), Password::read(&body.password)) else {
        return Err(Problem::InvalidCredentials);
    };
    Ok(PasswordSignIn { email, password, devices })
}
