//! Choose the new password of a reset.

use std::sync::Arc;

use secrecy::SecretString;
use twostep_crypto::{
    KeyRing,
    access_token::Issuer,
    password::{Password, WeakPassword},
    reset_token::{self, InvalidResetToken},
};
use twostep_domain::{
    account::{AccountSnapshot, Event, User},
    challenge::Notice,
    proof::Proof,
    reset::{Grant, needs_second_proof},
    settings::Settings,
    time::{Clock, Timestamp},
};
use twostep_runtime::{
    config::ConfigError,
    entropy,
    secrets::{Keys, Secrets},
};
use twostep_stores::{CachedSettings, SessionStore, Tables, UserStore, users::ChangeError};

use crate::{
    audit::Audit,
    caller::Caller,
    messages::notice::Notices,
    outage::{Outage, from_outage},
    repeat::{Earlier, Outcome, Repeatable, Repeats, Ticket},
    signed_in::{self, SignedIn},
    warm_up,
};

pub struct ResetPassword {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    users: UserStore,
    sessions: SessionStore,
    settings: Arc<CachedSettings>,
    notices: Notices,
    audit: Audit,
    repeats: Repeats,
}

#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// Not a reset token of this service, expired or used, or the account has changed since.
    #[error("the reset token is not valid")]
    InvalidResetToken,
    #[error("the new password is weak")]
    WeakPassword(WeakPassword),
    #[error("the idempotency key came with another body")]
    IdempotencyMismatch,
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(ResetError);

impl ResetPassword {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            users: tables.users()?,
            sessions: tables.sessions()?,
            settings: tables.settings()?,
            notices: Notices::open(tables)?,
            audit: Audit::open(tables)?,
            repeats: Repeats::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        tokio::join!(warm_up::secret(&self.keys), warm_up::settings(&self.settings));
    }

    /// Sets the password and signs in, in one transaction. All other sessions, remembered devices and resets end, and the
    /// user is told.
    ///
    /// # Errors
    /// [`ResetError`]
    pub async fn reset(
        &self,
        caller: &Caller,
        issuer: &Issuer,
        reset_token: String,
        new: &SecretString,
        repeat: Option<&Repeatable>,
    ) -> Result<SignedIn, ResetError> {
        let (ring, now) = (self.keys.get().await?, self.clock.now());
        let ticket = repeat.map(|repeat| repeat.ticket(&ring, "password/reset", ""));
        if let Some(again) = self.reset_before(issuer, &ring, ticket.as_ref()).await? {
            return Ok(again);
        }
        let grant =
            reset_token::open(&ring, reset_token, now).map_err(|InvalidResetToken| ResetError::InvalidResetToken)?;
        let (settings, user) = tokio::try_join!(self.settings.get(), self.users.find(&grant.user_id))?;
        let user = user.filter(|user| is_enough(&grant, &settings, user, now)).ok_or(ResetError::InvalidResetToken)?;
        let password =
            Password::choose(new, &[user.email.as_written(), user.name.as_str()]).map_err(ResetError::WeakPassword)?;
        let hash = password.hash(&mut entropy::system());

        let email_verified_at = if grant.verifies_email { Some(now) } else { user.email_verified_at };
        let next = AccountSnapshot { epoch: user.epoch + 1, has_password: true, ..user.snapshot() };
        let (session, token) = signed_in::begin(caller, &next, grant.sign_in(now));
        let verified_at = email_verified_at.filter(|_| grant.verifies_email);
        let mut writes = self.users.set_password(&user, &hash, &session.id, None, verified_at);
        writes.push(self.sessions.insert(&session));
        writes.push(self.audit.write(&self.audit.of_session(Event::PasswordReset, &session)));
        let user = User { password: Some(hash), epoch: next.epoch, email_verified_at, ..user };
        writes.extend(self.repeats.write(&ring, ticket.as_ref(), &Outcome::signed_in(&token, None)));
        writes.extend(self.notices.to_user(&ring, &user, Notice::PasswordReset, caller.language));
        match self.users.commit(writes).await {
            Ok(()) => {
                signed_in::record_use(&self.users, &user, now).await;
                Ok(SignedIn::new(issuer, &ring, &session, token, user, now))
            }
            // Another reset or change of the account was faster, or the same request ran twice at once.
            Err(ChangeError::Outdated) => {
                let again = self.reset_before(issuer, &ring, ticket.as_ref()).await?;
                again.ok_or(ResetError::InvalidResetToken)
            }
            Err(error) => Err(ResetError::Outage(error.into())),
        }
    }

    /// The session that an earlier request with the same key began.
    async fn reset_before(
        &self,
        issuer: &Issuer,
        ring: &KeyRing,
        ticket: Option<&Ticket>,
    ) -> Result<Option<SignedIn>, ResetError> {
        match (self.repeats.find(ring, ticket).await?, ticket) {
            (Earlier::OtherBody, _) => Err(ResetError::IdempotencyMismatch),
            (Earlier::Outcome(_), Some(ticket)) => {
                let stores = (&self.users, &self.sessions);
                Ok(Box::pin(self.repeats.sign_in_again(stores, issuer, ring, ticket)).await?)
            }
            _ => Ok(None),
        }
    }
}

/// Whether the account is as it was when the proofs were given, and does not ask for more of them by now.
fn is_enough(grant: &Grant, settings: &Settings, user: &User, now: Timestamp) -> bool {
    let first = if grant.first == Proof::Phone.method() { Proof::Phone } else { Proof::Email };
    grant.epoch == user.epoch && (grant.second.is_some() || !needs_second_proof(settings, user, first, now))
}
