//! Register with email and password.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use twostep_crypto::{
    access_token::Issuer,
    password::{Password, WeakPassword},
};
use twostep_domain::{
    account::User, email::EmailAddress, ids::UserId, person_name::PersonName, sign_in::SignIn, time::Clock,
};
use twostep_runtime::{
    config::ConfigError,
    entropy,
    secrets::{Keys, Secrets},
};
use twostep_stores::{SessionStore, Tables, UserStore, users::ChangeError};

use super::address::AddressCheck;
use crate::{
    caller::Caller,
    outage::{Outage, from_outage},
    sign_in::attempts::{ClientIpAttempts, Wait},
    signed_in::{self, SignedIn},
    warm_up,
};

pub struct RegisterByPassword {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    users: UserStore,
    sessions: SessionStore,
    attempts: ClientIpAttempts,
    address: AddressCheck,
}

#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("the password is weak")]
    WeakPassword(WeakPassword),
    #[error("another account has this email address")]
    EmailTaken,
    #[error("too many requests")]
    TooManyRequests { wait: Duration },
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(RegisterError);

impl RegisterByPassword {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            users: tables.users()?,
            sessions: tables.sessions()?,
            attempts: ClientIpAttempts::open(tables)?,
            address: AddressCheck::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        tokio::join!(warm_up::secret(&self.keys), self.attempts.open_connection());
    }

    /// Creates the account and signs in to it, in one transaction.
    ///
    /// # Errors
    /// [`RegisterError`]
    pub async fn register(
        &self,
        caller: &Caller,
        issuer: &Issuer,
        name: PersonName,
        email: EmailAddress,
        password: &SecretString,
    ) -> Result<SignedIn, RegisterError> {
        let password =
            Password::choose(password, &[email.as_written(), name.as_str()]).map_err(RegisterError::WeakPassword)?;
        let ring = self.keys.get().await?;
        let reserved = self.attempts.reserve(&ring, "register", caller).await?;
        reserved.map_err(|Wait(wait)| RegisterError::TooManyRequests { wait })?;
        let (now, rng) = (self.clock.now(), &mut entropy::system());
        let user = User::new(UserId::random(rng), name, email, None, Some(password.hash(rng)), now);
        let (session, token) = signed_in::begin(&user.snapshot(), SignIn::by_password(now));
        let check = self.address.of_new_account(&ring, &user, &session.id, caller.language)?;
        let (email_challenge, write) = check.unzip();
        let companions = std::iter::once(self.sessions.insert(&session)).chain(write).collect();
        self.users.create(&user, companions).await.map_err(|error| match error {
            ChangeError::EmailTaken => RegisterError::EmailTaken,
            error => RegisterError::Outage(error.into()),
        })?;
        let signed_in = SignedIn::new(issuer, &ring, &session, token, user, now);
        Ok(SignedIn { email_challenge, ..signed_in })
    }
}
