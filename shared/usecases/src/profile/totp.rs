//! Use an app for time-based codes as the second step, or no longer.

use twostep_crypto::{access_token::Claims, recovery_code, totp::TotpSecret};
use twostep_domain::{
    account::{Activity, Authenticator, Event, PendingTotp, Totp, User},
    authentication_method::Method,
    challenge::Notice,
    one_time_code::OneTimeCode,
    random,
};
use twostep_runtime::entropy;
use twostep_stores::users::{ChangeError, TotpChange};

use crate::{
    access::{Access, AccessError},
    caller::Caller,
    outage::Outage,
    repeat::{Earlier, Outcome, Repeatable},
};

#[derive(Debug, thiserror::Error)]
pub enum StartTotpError {
    #[error("the account has an app already")]
    TotpOn,
    #[error(transparent)]
    Access(#[from] AccessError),
}

#[derive(Debug, thiserror::Error)]
pub enum ConfirmTotpError {
    #[error("the code is wrong")]
    WrongCode { attempts_left: usize },
    /// Nothing is pending in this session.
    #[error("no app is being added")]
    NotStarted,
    #[error("the idempotency key came with another body")]
    IdempotencyMismatch,
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// What an app is set up with. It is shown once.
pub struct NewTotp {
    pub secret: String,
    pub uri: String,
}

impl Access {
    /// Makes a secret. It counts once the app has shown a code of it, within ten minutes and in the same session.
    ///
    /// # Errors
    /// [`StartTotpError`]
    pub async fn start_totp(&self, claims: &Claims) -> Result<NewTotp, StartTotpError> {
        let (account, user) = self.open_for_change(claims).await?;
        if user.totp().is_some() {
            return Err(StartTotpError::TotpOn);
        }
        let rng = &mut entropy::system();
        let secret = TotpSecret::random(rng);
        let sealed = secret.seal(&account.ring, &user.id, rng);
        let pending = PendingTotp::new(random::identifier(rng), sealed, claims.sid.clone(), self.clock.now());
        let started = self.users.start_totp(&user.snapshot(), &pending).await;
        started.map_err(|error| AccessError::Outage(error.into()))?;
        let uri = secret.uri(&account.settings.site_name, user.email.as_written());
        Ok(NewTotp { secret: secret.expose(), uri })
    }

    /// Turns the app on. Other sessions and remembered devices end, and the account gets recovery codes if it has none.
    ///
    /// # Errors
    /// [`ConfirmTotpError`]
    pub async fn confirm_totp(
        &self,
        caller: &Caller,
        claims: &Claims,
        code: &OneTimeCode,
        repeat: Option<&Repeatable>,
    ) -> Result<(User, Option<Vec<String>>), ConfirmTotpError> {
        let (account, user) = self.open_live(claims).await?;
        let ticket = repeat.map(|repeat| repeat.ticket(&account.ring, "totp/confirm", claims.sub.as_str()));
        let earlier = self.repeats.find(&account.ring, ticket.as_ref()).await.map_err(AccessError::Outage)?;
        match earlier {
            Earlier::OtherBody => return Err(ConfirmTotpError::IdempotencyMismatch),
            Earlier::Outcome(Outcome::TotpOn { recovery_codes }) => return Ok((user, recovery_codes)),
            Earlier::Outcome(_) | Earlier::None => {}
        }
        let now = self.clock.now();
        let pending = user.pending_totp.as_ref().filter(|pending| pending.is_open(&claims.sid, now));
        let pending = pending.ok_or(ConfirmTotpError::NotStarted)?;
        let secret = TotpSecret::open(&account.ring, &user.id, &pending.secret).map_err(AccessError::from)?;
        let Some(step) = secret.step_of(code, 0, now) else {
            return Err(match self.users.count_wrong_totp(&user.id, pending).await {
                Ok(()) => ConfirmTotpError::WrongCode { attempts_left: pending.attempts_left - 1 },
                Err(error) => AccessError::Outage(error.into()).into(),
            });
        };
        let (codes, hashes) = user
            .recovery_codes
            .is_empty()
            .then(|| recovery_code::fresh_set(&account.ring.pepper, &user.id, &mut entropy::system()))
            .unzip();
        let totp = Totp { secret: pending.secret.clone(), created_at: now, last_step: step };
        let mut authenticators = user.authenticators.clone();
        authenticators.insert(pending.id.clone(), Authenticator::Totp(totp));
        let change = TotpChange {
            authenticators: &authenticators,
            two_step: true,
            recovery_codes: hashes.as_deref(),
            kept_session: Some(&claims.sid),
        };
        let mut writes = self.users.change_totp(&user, Some(&pending.id), &change);
        writes.push(if claims.amr.contains(&Method::Pwd) {
            self.sessions.second_step_taken(&claims.sid, Method::Otp, now)
        } else {
            self.sessions.is_live(&claims.sid, now)
        });
        let entry = self.audit.of_claims(Event::TotpAdded, claims, caller);
        writes.push(self.audit.write(&Activity { two_step: (!user.two_step).then_some(true), ..entry }));
        let outcome = Outcome::TotpOn { recovery_codes: codes.clone() };
        writes.extend(self.repeats.write(&account.ring, ticket.as_ref(), &outcome));
        writes.extend(self.notices.to_user(&account.ring, &user, Notice::TotpAdded, caller.language));
        match self.users.commit(writes).await {
            Ok(()) => {}
            // Another request confirmed it, or the session or the account changed meanwhile.
            Err(ChangeError::Outdated) => {
                return self.confirmed_meanwhile(claims, &account.ring, ticket.as_ref()).await;
            }
            Err(error) => return Err(AccessError::Outage(error.into()).into()),
        }
        let recovery_codes = hashes.unwrap_or_else(|| user.recovery_codes.clone());
        let user = User { authenticators, recovery_codes, two_step: true, pending_totp: None, ..user };
        Ok((user, codes))
    }

    async fn confirmed_meanwhile(
        &self,
        claims: &Claims,
        ring: &twostep_crypto::KeyRing,
        ticket: Option<&crate::repeat::Ticket>,
    ) -> Result<(User, Option<Vec<String>>), ConfirmTotpError> {
        let (_, user) = self.open_live(claims).await?;
        match self.repeats.find(ring, ticket).await.map_err(AccessError::Outage)? {
            Earlier::Outcome(Outcome::TotpOn { recovery_codes }) => Ok((user, recovery_codes)),
            _ if user.pending_totp.is_none() => Err(ConfirmTotpError::NotStarted),
            _ => Err(AccessError::Outage(Outage::AccountChanged).into()),
        }
    }

    /// Removes the app, if the account has one. Two-step stays on while the account has a verified number.
    ///
    /// # Errors
    /// [`AccessError`]
    pub async fn remove_totp(&self, caller: &Caller, claims: &Claims) -> Result<(), AccessError> {
        let (account, user) = self.open_for_change(claims).await?;
        if user.totp().is_none() {
            return Ok(());
        }
        let mut writes = self.users.remove_totp(&user, Some(&claims.sid));
        let entry = self.audit.of_claims(Event::TotpRemoved, claims, caller);
        let two_step = user.phone.is_none().then_some(false);
        writes.push(self.audit.write(&Activity { two_step, ..entry }));
        writes.extend(self.notices.to_user(&account.ring, &user, Notice::TotpRemoved, caller.language));
        Ok(self.users.commit(writes).await.map_err(Outage::from)?)
    }
}
