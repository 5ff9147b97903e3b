//! A dependency that does not answer, or an item that cannot be used. Nothing was half-done, and the caller may try again.

use twostep_crypto::sealing::UnsealError;
use twostep_runtime::secrets::SecretError;
use twostep_stores::{TableError, users::ChangeError};

#[derive(Debug, thiserror::Error)]
pub enum Outage {
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("a challenge could not be opened: {0}")]
    Unseal(#[from] UnsealError),
    /// Another request changed the account at the same moment.
    #[error("the account has changed since it was read")]
    AccountChanged,
    #[error("the provider did not answer")]
    Provider,
}

impl From<ChangeError> for Outage {
    /// For changes that take no name which another account could own.
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Table(error) => error.into(),
            ChangeError::EmailTaken
            | ChangeError::PhoneTaken
            | ChangeError::Refused { .. }
            | ChangeError::TokenSpent
            | ChangeError::LastAdmin
            | ChangeError::Outdated => Self::AccountChanged,
        }
    }
}

/// Lets `?` turn the errors of stores and secrets into a use case's own error.
macro_rules! from_outage {
    ($error:ty) => {
        $crate::outage::from_outage!(
            $error: $crate::outage::Outage,
            twostep_stores::TableError,
            twostep_runtime::secrets::SecretError,
            twostep_crypto::sealing::UnsealError
        );
    };
    ($error:ty: $($cause:ty),*) => {
        $(impl From<$cause> for $error {
            fn from(cause: $cause) -> Self {
                Self::Outage(cause.into())
            }
        })*
    };
}

pub(crate) use from_outage;
