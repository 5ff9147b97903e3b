//! How a user proved who they are: the values of `amr` in access tokens.

use serde::{Deserialize, Serialize};

/// An authentication method (`amr`, RFC 8176).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Method {
    /// A password.
    Pwd,
    /// A code sent to a verified number.
    Sms,
    /// A recovery code, the code of an app, or a code by email.
    Otp,
    /// More than one of these.
    Mfa,
}

impl Method {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
