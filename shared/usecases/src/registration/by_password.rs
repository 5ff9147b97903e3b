//! Register with email and password.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use twostep_crypto::{
    KeyRing,
    access_token::Issuer,
    password::{Password, WeakPassword},
};
use twostep_domain::{
    account::{Event, User},
    email::EmailAddress,
    ids::UserId,
    person_name::PersonName,
    sign_in::SignIn,
    time::Clock,
};
use twostep_runtime::{
    config::ConfigError,
    entropy,
    secrets::{Keys, Secrets},
};
use twostep_stores::{SessionStore, Tables, UserStore, users::ChangeError};

use super::address::AddressCheck;
use crate::{
    audit::Audit,
    caller::Caller,
    outage::{Outage, from_outage},
    repeat::{Earlier, Outcome, Repeatable, Repeats, Ticket},
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
    repeats: Repeats,
    audit: Audit,
}

#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("the password is weak")]
    WeakPassword(WeakPassword),
    #[error("another account has this email address")]
    EmailTaken,
    #[error("the idempotency key came with another body")]
    IdempotencyMismatch,
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
            repeats: Repeats::open(tables)?,
            audit: Audit::open(tables)?,
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
        repeat: Option<&Repeatable>,
    ) -> Result<SignedIn, RegisterError> {
        let ring = self.keys.get().await?;
        let ticket = repeat.map(|repeat| repeat.ticket(&ring, "register/password", ""));
        if let Some(again) = self.registered_before(issuer, &ring, ticket.as_ref()).await? {
            return Ok(again);
        }
        // The limit comes first: judging a password is work.
        let reserved = self.attempts.reserve(&ring, "register", caller).await?;
        reserved.map_err(|Wait(wait)| RegisterError::TooManyRequests { wait })?;
        let password =
            Password::choose(password, &[email.as_written(), name.as_str()]).map_err(RegisterError::WeakPassword)?;
        let (now, rng) = (self.clock.now(), &mut entropy::system());
        let user = User::new(UserId::random(rng), name, email, None, Some(password.hash(rng)), now);
        let (session, token) = signed_in::begin(caller, &user.snapshot(), SignIn::by_password(now));
        let mut companions =
            vec![self.sessions.insert(&session), self.audit.write(&self.audit.of_session(Event::Registered, &session))];
        companions.extend(self.repeats.write(&ring, ticket.as_ref(), &Outcome::signed_in(&token, None)));
        let (email_challenge, write) = self.address.of_new_account(&ring, &user, &session.id, caller.language)?.unzip();
        companions.extend(write);
        match self.users.create(&user, companions).await {
            Ok(()) => {
                let signed_in = SignedIn::new(issuer, &ring, &session, token, user, now);
                Ok(SignedIn { email_challenge, ..signed_in })
            }
            Err(ChangeError::EmailTaken | ChangeError::Refused { .. }) => {
                // The same request may have run twice at once.
                let again = self.registered_before(issuer, &ring, ticket.as_ref()).await?;
                again.ok_or(RegisterError::EmailTaken)
            }
            Err(error) => Err(RegisterError::Outage(error.into())),
        }
    }

    /// The session that an earlier request with the same key began.
    async fn registered_before(
        &self,
        issuer: &Issuer,
        ring: &KeyRing,
        ticket: Option<&Ticket>,
    ) -> Result<Option<SignedIn>, RegisterError> {
        match (self.repeats.find(ring, ticket).await?, ticket) {
            (Earlier::OtherBody, _) => Err(RegisterError::IdempotencyMismatch),
            (Earlier::Outcome(_), Some(ticket)) => {
                let stores = (&self.users, &self.sessions);
                let again = Box::pin(self.repeats.sign_in_again(stores, issuer, ring, ticket)).await?;
                Ok(self.address.again(ring, again).await?)
            }
            _ => Ok(None),
        }
    }
}
