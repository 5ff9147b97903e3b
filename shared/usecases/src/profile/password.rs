//! Set the first password, or change it.

use std::time::Duration;

use secrecy::SecretString;
use twostep_crypto::{
    access_token::Claims,
    password::{self, Password, WeakPassword},
    recovery_code,
};
use twostep_domain::{
    account::{Event, User},
    challenge::Notice,
};
use twostep_runtime::{config::ConfigError, entropy};
use twostep_stores::{TableError, Tables};

use crate::{
    access::{Access, AccessError},
    caller::Caller,
    outage::Outage,
    sign_in::attempts::{Attempts, Wait, password_change},
};

pub struct ChangePassword {
    attempts: Attempts,
}

/// A password that was set.
pub struct PasswordSet {
    pub user: User,
    /// They are shown once.
    pub recovery_codes: Option<Vec<String>>,
}

#[derive(Debug, thiserror::Error)]
pub enum PasswordChangeError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("the current password is wrong")]
    InvalidCredentials,
    #[error("the new password is weak")]
    WeakPassword(WeakPassword),
    #[error("too many requests")]
    TooManyRequests { wait: Duration },
}

impl From<TableError> for PasswordChangeError {
    fn from(error: TableError) -> Self {
        Self::Access(error.into())
    }
}

impl ChangePassword {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self { attempts: Attempts::open(tables)? })
    }

    /// Sets the password. Other sessions and remembered devices end, and the user is told. A caller who `wants_codes` gets
    /// recovery codes if this turns the second step on.
    ///
    /// # Errors
    /// [`PasswordChangeError`]
    pub async fn change(
        &self,
        access: &Access,
        caller: &Caller,
        claims: &Claims,
        current: Option<&SecretString>,
        new: &SecretString,
        wants_codes: bool,
    ) -> Result<PasswordSet, PasswordChangeError> {
        let (account, user) = access.open_for_change(claims).await?;
        if let Some(stored) = &user.password {
            let subject = password_change(&account.ring.pepper, &user.id);
            let reserved = self.attempts.reserve(&subject).await?;
            reserved.map_err(|Wait(wait)| PasswordChangeError::TooManyRequests { wait })?;
            let current = current.and_then(Password::read);
            if !current.is_some_and(|current| password::verify(stored, &current)) {
                return Err(PasswordChangeError::InvalidCredentials);
            }
            self.attempts.forget(&subject).await?;
        }
        let password = Password::choose(new, &[user.email.as_written(), user.name.as_str()])
            .map_err(PasswordChangeError::WeakPassword)?;
        let hash = password.hash(&mut entropy::system());
        // With its first password, an account that has a number asks for two steps.
        let turns_two_step_on = user.password.is_none() && user.two_step && user.recovery_codes.is_empty();
        let (recovery_codes, hashes) = (wants_codes && turns_two_step_on)
            .then(|| recovery_code::fresh_set(&account.ring.pepper, &user.id, &mut entropy::system()))
            .unzip();
        let mut writes = access.users.set_password(&user, &hash, &claims.sid, hashes.as_deref(), None);
        writes.push(access.sessions.is_live(&claims.sid, access.clock.now()));
        writes.push(access.audit.write(&access.audit.of_claims(Event::PasswordChanged, claims, caller)));
        writes.extend(access.notices.to_user(&account.ring, &user, Notice::PasswordChanged, caller.language));
        access.users.commit(writes).await.map_err(|error| AccessError::Outage(Outage::from(error)))?;
        let stored = hashes.unwrap_or_else(|| user.recovery_codes.clone());
        let user = User { password: Some(hash), recovery_codes: stored, ..user };
        Ok(PasswordSet { user, recovery_codes })
    }
}
