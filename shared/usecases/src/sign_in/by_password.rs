//! Sign in with email and password. Accounts with two-step go on to the second step.

use std::{sync::Arc, time::Duration};

use twostep_crypto::{
    KeyRing,
    access_token::Issuer,
    device_token::DeviceToken,
    password::{self, Password},
};
use twostep_domain::{
    account::User,
    email::EmailAddress,
    sign_in::{SignIn, demands_second_step},
    time::Clock,
};
use twostep_runtime::{
    config::ConfigError,
    secrets::{Keys, Secrets},
};
use twostep_stores::{CachedSettings, SessionStore, Tables, UserStore, failed_attempts::Subject, users::ChangeError};

use super::{
    attempts::{Attempts, ClientIpAttempts, Wait},
    second_step::StartSecondStep,
};
use crate::{
    caller::Caller,
    codes::{ChallengeError, ChallengeView},
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
    attempts: Attempts,
    client_ip_attempts: ClientIpAttempts,
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
    /// The second step has had too many codes.
    #[error("too many codes")]
    TooManyCodes { wait: Duration },
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
            attempts: Attempts::open(tables)?,
            client_ip_attempts: ClientIpAttempts::open(tables)?,
            second_step: StartSecondStep::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        tokio::join!(warm_up::secret(&self.keys), warm_up::settings(&self.settings));
    }

    /// Judges a password. An email address that no account has takes the same steps and the same work, and gets the same
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
        device: Option<&DeviceToken>,
    ) -> Result<PasswordAccepted, PasswordError> {
        let ring = self.keys.get().await?;
        let account = Subject::account(&ring.pepper, &email.normalised());
        let counted = async {
            // The client IP comes first, so that a blocked one does not lock other people's accounts.
            let client_ip = self.client_ip_attempts.reserve(&ring, "login", caller).await??;
            if let Err(wait) = self.attempts.reserve(&account).await? {
                self.client_ip_attempts.release(&client_ip).await?;
                return Err(wait.into());
            }
            Ok::<_, PasswordError>(client_ip)
        };
        let read =
            async { Ok::<_, PasswordError>(tokio::try_join!(self.settings.get(), self.users.find_by_email(email))?) };
        let (client_ip, (settings, user)) = tokio::try_join!(counted, read)?;

        let stored = user.as_ref().and_then(|user| user.password.clone()).unwrap_or_else(password::dummy_hash);
        let is_correct = password::verify(&stored, password);
        let Some(user) = user.filter(|_| is_correct) else { return Err(PasswordError::InvalidCredentials) };
        tokio::try_join!(self.attempts.forget(&account), self.client_ip_attempts.release(&client_ip))?;

        let now = self.clock.now();
        let Some(phone) = user.phone.clone().filter(|_| demands_second_step(&settings, &user)) else {
            return self.begin_session(issuer, &ring, user, SignIn::by_password(now), None).await;
        };
        if let Some((token, remembered)) = device.and_then(|token| Some((token, token.device_of(&user, now)?))) {
            let sign_in = SignIn::in_two_steps(remembered.method, remembered.mfa_time, now);
            return self.begin_session(issuer, &ring, user, sign_in, Some(token)).await;
        }
        let challenge = self.second_step.start(caller, &ring, &user, &phone).await;
        challenge.map(PasswordAccepted::SecondStep).map_err(|error| match error {
            ChallengeError::TooManyCodes { wait } => PasswordError::TooManyCodes { wait },
            ChallengeError::Outage(outage) => PasswordError::Outage(outage),
        })
    }

    /// Begins a session of `user` as it was read. If the account changes in between, the caller starts again.
    async fn begin_session(
        &self,
        issuer: &Issuer,
        ring: &KeyRing,
        user: User,
        sign_in: SignIn,
        device: Option<&DeviceToken>,
    ) -> Result<PasswordAccepted, PasswordError> {
        let (account, now) = (user.snapshot(), self.clock.now());
        let (session, token) = signed_in::begin(&account, sign_in);
        let unchanged = match device {
            Some(device) => self.users.device_used(&account, &device.id, &device.hash(), now),
            None => self.users.unchanged(&account),
        };
        match self.users.commit(vec![unchanged, self.sessions.insert(&session)]).await {
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
