//! What proves who a user is, in a reset or for an idle number.

use serde::{Deserialize, Serialize};

use crate::{authentication_method::Method, recipient::Recipient};

/// What a code proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// A code to the account's address.
    Email,
    /// A code to the account's number.
    Phone,
}

/// What an account has besides its number, to confirm a sign-in by a number that was not used for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Confirmation {
    Password,
    Totp,
    RecoveryCode,
}

impl Proof {
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::Email => Method::Otp,
            Self::Phone => Method::Sms,
        }
    }

    /// The proof that a code to `recipient` is; `None` if no code is sent.
    #[must_use]
    pub fn by(recipient: &Recipient) -> Option<Self> {
        match recipient {
            Recipient::Phone(_) => Some(Self::Phone),
            Recipient::Email(_) => Some(Self::Email),
            Recipient::Nobody => None,
        }
    }
}
