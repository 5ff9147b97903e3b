//! The body of a password sign-in.

use lambda_http::Request;
use secrecy::SecretString;
use serde::Deserialize;
use twostep_crypto::{device_token::DeviceToken, password::Password};
use twostep_domain::email::EmailAddress;

use crate::{Problem, TokenTransport, request};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInBody {
    email: String,
    password: SecretString,
    device_token: Option<SecretString>,
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
