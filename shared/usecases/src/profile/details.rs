//! Change the name or the email address.

use std::time::Duration;

use twostep_crypto::access_token::Claims;
use twostep_domain::{account::User, email::EmailAddress, person_name::PersonName};
use twostep_runtime::config::{self, ConfigError};
use twostep_stores::{TableError, Tables, users::ChangeError};

use super::email::{AddressChangeLimit, AddressChanges};
use crate::{
    access::{Access, AccessError},
    outage::Outage,
};

pub struct ChangeDetails {
    changes: AddressChanges,
    email_is_on: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum DetailsError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("another account has this email address")]
    EmailTaken,
    /// While emails are sent, an address is changed by verifying it.
    #[error("the email address needs to be verified")]
    EmailNeedsVerification,
    #[error("too many requests")]
    TooManyRequests { wait: Duration },
}

impl From<TableError> for DetailsError {
    fn from(error: TableError) -> Self {
        Self::Access(error.into())
    }
}

impl From<AddressChangeLimit> for DetailsError {
    fn from(limit: AddressChangeLimit) -> Self {
        match limit {
            AddressChangeLimit::Reached { wait } => Self::TooManyRequests { wait },
            AddressChangeLimit::Table(error) => error.into(),
        }
    }
}

impl ChangeDetails {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        let email_is_on = config::email_from(tables.env())?.is_some();
        Ok(Self { changes: AddressChanges::open(tables)?, email_is_on })
    }

    /// Changes what is given. A new email address needs a fresh sign-in, and is not verified.
    ///
    /// # Errors
    /// [`DetailsError`]
    pub async fn change(
        &self,
        access: &Access,
        claims: &Claims,
        name: Option<PersonName>,
        email: Option<EmailAddress>,
    ) -> Result<User, DetailsError> {
        let account = access.open_account(claims).await.map_err(AccessError::Outage)?;
        let present = account.user()?;
        let email = email.filter(|email| *email != present.email);
        let user = if email.is_some() {
            if self.email_is_on {
                return Err(DetailsError::EmailNeedsVerification);
            }
            let user = account.for_change(claims, &*access.clock)?;
            self.changes.reserve(&account.ring.pepper, &user.id).await?;
            user
        } else {
            present.clone()
        };
        access.users.rename(&user, name.as_ref(), email.as_ref()).await.map_err(|error| match error {
            ChangeError::EmailTaken => DetailsError::EmailTaken,
            error => DetailsError::Access(AccessError::Outage(Outage::from(error))),
        })?;
        let email_verified_at = user.email_verified_at.filter(|_| email.is_none());
        let name = name.unwrap_or_else(|| user.name.clone());
        let email = email.unwrap_or_else(|| user.email.clone());
        Ok(User { name, email, email_verified_at, ..user })
    }
}
