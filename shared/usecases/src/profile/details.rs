//! Change the name or the email address.

use std::time::Duration;

use twostep_crypto::access_token::Claims;
use twostep_domain::{
    account::{Event, User},
    email::EmailAddress,
    person_name::PersonName,
    rate_limit::RateLimit,
    time::DAY,
};
use twostep_stores::{sliding_window::LimitError, users::ChangeError};

use crate::{
    access::{Access, AccessError, OpenAccount},
    caller::Caller,
    outage::Outage,
};

#[derive(Debug, thiserror::Error)]
pub enum DetailsError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("another account has this email address")]
    EmailTaken,
    #[error("too many requests")]
    TooManyRequests { wait: Duration },
}

impl Access {
    /// Changes what is given. A new email address needs a fresh sign-in.
    ///
    /// # Errors
    /// [`DetailsError`]
    pub async fn change_details(
        &self,
        caller: &Caller,
        claims: &Claims,
        name: Option<PersonName>,
        email: Option<EmailAddress>,
    ) -> Result<User, DetailsError> {
        let (account, user) = self.open_live(claims).await?;
        let (name, email) = (name.filter(|name| *name != user.name), email.filter(|email| *email != user.email));
        if email.is_some() {
            account.for_change(claims, &*self.clock)?;
            self.count_email_change(&account, &user).await?;
        }
        let events = [(name.is_some(), Event::NameChanged), (email.is_some(), Event::EmailChanged)];
        let events = events.into_iter().filter_map(|(happened, event)| happened.then_some(event));
        let mut entries: Vec<_> =
            events.map(|event| self.audit.write(&self.audit.of_claims(event, claims, caller))).collect();
        entries.push(self.sessions.is_live(&claims.sid, self.clock.now()));
        let renamed = self.users.rename(&user, name.as_ref(), email.as_ref(), entries).await;
        renamed.map_err(|error| match error {
            ChangeError::EmailTaken => DetailsError::EmailTaken,
            // The session ended a moment ago.
            ChangeError::Refused { .. } => DetailsError::Access(AccessError::InvalidToken),
            error => DetailsError::Access(AccessError::Outage(Outage::from(error))),
        })?;
        let name = name.unwrap_or_else(|| user.name.clone());
        let email = email.unwrap_or_else(|| user.email.clone());
        Ok(User { name, email, ..user })
    }

    /// Stops a user from trying which addresses have an account.
    async fn count_email_change(&self, account: &OpenAccount, user: &User) -> Result<(), DetailsError> {
        const LIMIT: RateLimit = RateLimit { most: 10, window: DAY };
        let (id, now) = (account.ring.pepper.hide("quota|email-change", user.id.as_str()), self.clock.now());
        match self.windows.reserve(&id, &[LIMIT], now).await {
            Ok(_) => Ok(()),
            Err(LimitError::Reached(until)) => Err(DetailsError::TooManyRequests { wait: now.until(until) }),
            Err(LimitError::Table(error)) => Err(DetailsError::Access(error.into())),
        }
    }
}
