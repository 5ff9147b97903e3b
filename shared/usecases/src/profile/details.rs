//! Change the name or the email address.

use twostep_crypto::access_token::Claims;
use twostep_domain::{account::User, email::EmailAddress, person_name::PersonName};
use twostep_stores::users::ChangeError;

use crate::{
    access::{Access, AccessError},
    outage::Outage,
};

#[derive(Debug, thiserror::Error)]
pub enum DetailsError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("another account has this email address")]
    EmailTaken,
}

impl Access {
    /// Changes what is given. A new email address needs a fresh sign-in.
    ///
    /// # Errors
    /// [`DetailsError`]
    pub async fn change_details(
        &self,
        claims: &Claims,
        name: Option<PersonName>,
        email: Option<EmailAddress>,
    ) -> Result<User, DetailsError> {
        let account = self.open_account(claims).await.map_err(AccessError::Outage)?;
        let present = account.user()?;
        let email = email.filter(|email| *email != present.email);
        let user = if email.is_some() { account.for_change(claims, &*self.clock)? } else { present.clone() };
        self.users.rename(&user, name.as_ref(), email.as_ref()).await.map_err(|error| match error {
            ChangeError::EmailTaken => DetailsError::EmailTaken,
            error => DetailsError::Access(AccessError::Outage(Outage::from(error))),
        })?;
        let name = name.unwrap_or_else(|| user.name.clone());
        let email = email.unwrap_or_else(|| user.email.clone());
        Ok(User { name, email, ..user })
    }
}
