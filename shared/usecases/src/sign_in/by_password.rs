//! Sign in with email and password. Accounts with two-step go on to the second step.

use std::{sync::Arc, time::Duration};

use twostep_crypto::{
    KeyRing,
    access_token::Issuer,
    device_token::DeviceToken,
    password::{self, Password},
};
use twostep_domain::{
    account::{Device, Event, User, user::PasswordHash},
    email::EmailAddress,
    ids::UserId,
    sign_in::{SignIn, demands_second_step},
    time::{Clock, Timestamp},
};
use twostep_runtime::{
    config::ConfigError,
    entropy,
    secrets::{Keys, Secrets},
};
use twostep_stores::{CachedSettings, SessionStore, Tables, UserStore, users::ChangeError};

use super::{
    attempts::{PasswordAttempts, Wait},
    second_step::StartSecondStep,
};
use crate::{
    audit::Audit,
    caller::Caller,
    codes::ChallengeView,
    outage::{Outage, from_outage},
    signed_in::{self, SignedIn},
    warm_up,
};

pub struct SignInByPassword {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    users: UserStore,
    sessions: SessionStore,
    settings: Arc<CachedSettings>,
    attempts: PasswordAttempts,
    audit: Audit,
    second_step: StartSecondStep,
}

/// What a correct password gives.
pub enum PasswordAccepted {
    SignedIn(Box<SignedIn>),
    SecondStep(ChallengeView),
}

#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Also for an email address that no account has.
    #[error("incorrect email or password")]
    InvalidCredentials,
    #[error("too many requests")]
    TooManyRequests { wait: Duration },
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(PasswordError);

impl From<Wait> for PasswordError {
    fn from(Wait(wait): Wait) -> Self {
        Self::TooManyRequests { wait }
    }
}

impl SignInByPassword {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            users: tables.users()?,
            sessions: tables.sessions()?,
            settings: tables.settings()?,
            attempts: PasswordAttempts::open(tables)?,
            audit: Audit::open(tables)?,
            second_step: StartSecondStep::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        tokio::join!(warm_up::secret(&self.keys), warm_up::settings(&self.settings));
    }

    /// Judges a password. `devices` are the tokens of remembered devices that the client has, of whatever accounts. An email
    /// address that no account has takes the same steps and the same work, and gets the same
    /// response.
    ///
    /// # Errors
    /// [`PasswordError`]
    pub async fn sign_in(
        &self,
        caller: &Caller,
        issuer: &Issuer,
        email: &EmailAddress,
        password: &Password,
        devices: &[DeviceToken],
    ) -> Result<PasswordAccepted, PasswordError> {
        let ring = self.keys.get().await?;
        let name = email.normalised();
        let read =
            async { Ok::<_, PasswordError>(tokio::try_join!(self.settings.get(), self.users.find_by_email(email))?) };
        let (attempt, settings, user) = if devices.is_empty() {
            let counted = async { Ok(self.attempts.reserve(&ring, caller, &name, None, None).await?) };
            let (attempt, (settings, user)) = tokio::try_join!(counted, read)?;
            let unlocked_at = user.as_ref().and_then(|user| user.unlocked_at);
            let attempt = match attempt {
                // The account was not known yet when the attempt was counted.
                Err(_) if unlocked_at.is_some() => {
                    self.attempts.reserve(&ring, caller, &name, None, unlocked_at).await??
                }
                attempt => attempt?,
            };
            (attempt, settings, user)
        } else {
            // Whether a device is remembered decides where the attempt counts.
            let (settings, user) = read.await?;
            let device = user.as_ref().and_then(|user| known(devices, user, self.clock.now()));
            let device = device.map(|(token, _)| token.id.as_str());
            let unlocked_at = user.as_ref().and_then(|user| user.unlocked_at);
            (self.attempts.reserve(&ring, caller, &name, device, unlocked_at).await??, settings, user)
        };

        let stored = user.as_ref().and_then(|user| user.password.clone()).unwrap_or_else(password::dummy_hash);
        let is_correct = password::verify(&stored, password);
        let Some(user) = user.filter(|_| is_correct) else { return Err(PasswordError::InvalidCredentials) };
        self.attempts.succeeded(&attempt).await?;
        rehash_if_outdated(&self.users, &user.id, &stored, password).await;

        let now = self.clock.now();
        if !demands_second_step(&settings, &user) {
            return self.begin_session(caller, issuer, &ring, user, SignIn::by_password(now), None).await;
        }
        if let Some((token, sign_in)) = known(devices, &user, now)
            .map(|(token, device)| (token, SignIn::in_two_steps(device.method, device.mfa_time, now)))
        {
            return self.begin_session(caller, issuer, &ring, user, sign_in, Some(token)).await;
        }
        Ok(PasswordAccepted::SecondStep(self.second_step.start(caller, &ring, &user).await?))
    }

    /// Begins a session of `user` as it was read. If the account changes in between, the caller starts again.
    async fn begin_session(
        &self,
        caller: &Caller,
        issuer: &Issuer,
        ring: &KeyRing,
        user: User,
        sign_in: SignIn,
        device: Option<&DeviceToken>,
    ) -> Result<PasswordAccepted, PasswordError> {
        let (account, now) = (user.snapshot(), self.clock.now());
        let (session, token) = signed_in::begin(caller, &account, sign_in);
        let unchanged = match device {
            Some(device) => self.users.device_used(&account, &device.id, &device.hash(), now),
            None => self.users.unchanged(&account),
        };
        let entry = self.audit.write(&self.audit.of_session(Event::SignedIn, &session));
        match self.users.commit(vec![unchanged, self.sessions.insert(&session), entry]).await {
            Ok(()) => {
                signed_in::record_use(&self.users, &user, now).await;
                let signed_in = SignedIn::new(issuer, ring, &session, token, user, now);
                Ok(PasswordAccepted::SignedIn(Box::new(signed_in)))
            }
            // The password or the device was changed a moment ago.
            Err(ChangeError::Outdated) => Err(PasswordError::InvalidCredentials),
            Err(error) => Err(PasswordError::Outage(error.into())),
        }
    }
}

/// Replaces the hash of a right password that other software made, or whose parameters are no longer today's. The sign-in
/// goes on whatever happens.
pub(super) async fn rehash_if_outdated(users: &UserStore, user: &UserId, stored: &PasswordHash, password: &Password) {
    if !password::is_outdated(stored) {
        return;
    }
    let hash = password.hash(&mut entropy::system());
    if let Err(error) = users.rehash(user, stored, &hash).await {
        tracing::warn!(%error, "a password was not hashed anew");
    }
}

/// The device of `user` that one of `tokens` belongs to.
fn known<'a, 'b>(tokens: &'a [DeviceToken], user: &'b User, now: Timestamp) -> Option<(&'a DeviceToken, &'b Device)> {
    tokens.iter().find_map(|token| Some((token, token.device_of(user, now)?)))
}
