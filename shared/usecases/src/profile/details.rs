//! Change the name or the email address.

use std::time::Duration;

use twostep_crypto::access_token::Claims;
use twostep_domain::{
    account::{Event, User},
    email::EmailAddress,
    person_name::PersonName,
};
use twostep_runtime::config::{self, ConfigError};
use twostep_stores::{Tables, users::ChangeError};

use super::email::{AddressChangeLimit, AddressChanges};
use crate::{
    access::{Access, AccessError},
    caller::Caller,
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

impl From<AddressChangeLimit> for DetailsError {
    fn from(limit: AddressChangeLimit) -> Self {
        match limit {
            AddressChangeLimit::Reached { wait } => Self::TooManyRequests { wait },
            AddressChangeLimit::Table(error) => Self::Access(error.into()),
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
        caller: &Caller,
        claims: &Claims,
        name: Option<PersonName>,
        email: Option<EmailAddress>,
    ) -> Result<User, DetailsError> {
        let (account, user) = access.open_live(claims).await?;
        let (name, email) = (name.filter(|name| *name != user.name), email.filter(|email| *email != user.email));
        if email.is_some() {
            if self.email_is_on {
                return Err(DetailsError::EmailNeedsVerification);
            }
            account.for_change(claims, &*access.clock)?;
            self.changes.reserve(&account.ring.pepper, &user.id).await?;
        }
        let events = [(name.is_some(), Event::NameChanged), (email.is_some(), Event::EmailChanged)];
        let events = events.into_iter().filter_map(|(happened, event)| happened.then_some(event));
        let mut entries: Vec<_> =
            events.map(|event| access.audit.write(&access.audit.of_claims(event, claims, caller))).collect();
        entries.push(access.sessions.is_live(&claims.sid, access.clock.now()));
        let renamed = access.users.rename(&user, name.as_ref(), email.as_ref(), entries).await;
        renamed.map_err(|error| match error {
            ChangeError::EmailTaken => DetailsError::EmailTaken,
            // The session ended a moment ago.
            ChangeError::Refused { .. } => DetailsError::Access(AccessError::InvalidToken),
            error => DetailsError::Access(AccessError::Outage(Outage::from(error))),
        })?;
        let email_verified_at = user.email_verified_at.filter(|_| email.is_none());
        let name = name.unwrap_or_else(|| user.name.clone());
        let email = email.unwrap_or_else(|| user.email.clone());
        Ok(User { name, email, email_verified_at, ..user })
    }
}
