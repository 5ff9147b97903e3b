//! Confirm a sign-in by phone to an account that has been idle for long: the number may have a new owner, so something else
//! that the account has must go with it.

use std::{sync::Arc, time::Duration};

use twostep_crypto::{
    KeyRing,
    access_token::Issuer,
    password::{self, Password},
    recovery_code::RecoveryCode,
    registration_token::{self, InvalidRegistrationToken},
};
use twostep_domain::{
    account::{Event, User},
    authentication_method::Method,
    one_time_code::OneTimeCode,
    sign_in::SignIn,
    time::{Clock, Timestamp},
};
use twostep_runtime::{
    config::ConfigError,
    secrets::{Keys, Secrets},
};
use twostep_stores::{
    RegistrationTokenStore, SessionStore, Tables, UserStore,
    registration_tokens::{Spent, TokenRecord},
    users::{ChangeError, SecondStepTaken, StoredRecoveryCode, TotpStep},
};

use super::{
    attempts::{Attempts, ClientIpAttempts, Wait, confirmation},
    by_password::rehash_if_outdated,
    second_step::{stored_code, totp_step, without_code},
};
use crate::{
    audit::Audit,
    caller::Caller,
    outage::{Outage, from_outage},
    signed_in::{self, SignedIn},
    warm_up,
};

pub struct ConfirmSignIn {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    users: UserStore,
    sessions: SessionStore,
    tokens: RegistrationTokenStore,
    attempts: Attempts,
    client_ip_attempts: ClientIpAttempts,
    audit: Audit,
}

/// What goes with the number.
pub enum Proof {
    /// `None` if it is longer than any password.
    Password(Option<Password>),
    RecoveryCode(RecoveryCode),
    /// The code of an app.
    Totp(OneTimeCode),
}

#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// Not a registration token of an idle number, expired, used before, or tried too often.
    #[error("the registration token is not valid")]
    InvalidRegistrationToken,
    #[error("the password is wrong")]
    InvalidCredentials,
    #[error("the code is wrong")]
    WrongCode { attempts_left: usize },
    #[error("too many requests")]
    TooManyRequests { wait: Duration },
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(ConfirmError);

impl From<Wait> for ConfirmError {
    fn from(Wait(wait): Wait) -> Self {
        Self::TooManyRequests { wait }
    }
}

/// A proof that was right.
struct Confirmed {
    method: Method,
    recovery_code: Option<StoredRecoveryCode>,
    totp: Option<TotpStep>,
}

impl ConfirmSignIn {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            users: tables.users()?,
            sessions: tables.sessions()?,
            tokens: tables.registration_tokens()?,
            attempts: Attempts::open(tables)?,
            client_ip_attempts: ClientIpAttempts::open(tables)?,
            audit: Audit::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        tokio::join!(warm_up::secret(&self.keys), self.client_ip_attempts.open_connection());
    }

    /// Judges the proof and signs in. Attempts count at the client IP, at the token and at the account before they are
    /// judged.
    ///
    /// # Errors
    /// [`ConfirmError`]
    pub async fn confirm(
        &self,
        caller: &Caller,
        issuer: &Issuer,
        registration_token: String,
        proof: &Proof,
    ) -> Result<SignedIn, ConfirmError> {
        let (ring, now) = (self.keys.get().await?, self.clock.now());
        let verified = registration_token::open(&ring, registration_token.clone(), now)
            .map_err(|InvalidRegistrationToken| ConfirmError::InvalidRegistrationToken)?;
        let owner = verified.former.as_ref().ok_or(ConfirmError::InvalidRegistrationToken)?;
        let token = TokenRecord::of(&ring.pepper, &registration_token, verified.expires_at());

        let client_ip = self.client_ip_attempts.reserve(&ring, "confirm", caller).await??;
        let account = confirmation(&ring.pepper, &owner.user_id);
        self.attempts.reserve(&account).await??;
        let left = self.tokens.reserve(&token).await?;
        let attempts_left = left.map_err(|Spent| ConfirmError::InvalidRegistrationToken)?;

        let user = self.users.find(&owner.user_id).await?;
        let is_theirs = |user: &User| user.epoch == owner.epoch && user.phone.as_ref() == Some(&verified.phone);
        let user = user.filter(is_theirs).ok_or(ConfirmError::InvalidRegistrationToken)?;
        let confirmed = judge(&ring, &user, proof, attempts_left, now)?;

        let sign_in = SignIn::by_proofs(Method::Sms, Some(confirmed.method), now);
        let (session, refresh_token) = signed_in::begin(caller, owner, sign_in);
        let taken = SecondStepTaken {
            recovery_code: confirmed.recovery_code.as_ref(),
            totp: confirmed.totp.as_ref(),
            ..SecondStepTaken::default()
        };
        let writes = vec![
            self.tokens.use_up(&token),
            self.users.second_step_taken(owner, &taken),
            self.sessions.insert(&session),
            self.audit.write(&self.audit.of_session(Event::SignedIn, &session)),
        ];
        match self.users.commit(writes).await {
            Ok(()) => {}
            // The token, the recovery code or the app's code was used, or the account was changed, a moment ago.
            Err(ChangeError::Outdated) => return Err(ConfirmError::InvalidRegistrationToken),
            Err(error) => return Err(ConfirmError::Outage(error.into())),
        }
        tokio::try_join!(self.attempts.forget(&account), self.client_ip_attempts.release(&client_ip))?;
        if let (Proof::Password(Some(password)), Some(stored)) = (proof, &user.password) {
            rehash_if_outdated(&self.users, &user.id, stored, password).await;
        }
        signed_in::record_use(&self.users, &user, now).await;
        let user = without_code(user, confirmed.recovery_code.as_ref());
        Ok(SignedIn::new(issuer, &ring, &session, refresh_token, user, now))
    }
}

fn judge(
    ring: &KeyRing,
    user: &User,
    proof: &Proof,
    attempts_left: usize,
    now: Timestamp,
) -> Result<Confirmed, ConfirmError> {
    match proof {
        Proof::Password(password) => {
            // An account without a password costs the same work.
            let stored = user.password.clone().unwrap_or_else(password::dummy_hash);
            if !password.as_ref().is_some_and(|password| password::verify(&stored, password)) {
                return Err(ConfirmError::InvalidCredentials);
            }
            Ok(Confirmed { method: Method::Pwd, recovery_code: None, totp: None })
        }
        Proof::RecoveryCode(code) => {
            let stored = stored_code(ring, user, code).ok_or(ConfirmError::WrongCode { attempts_left })?;
            Ok(Confirmed { method: Method::Otp, recovery_code: Some(stored), totp: None })
        }
        Proof::Totp(code) => {
            let step = totp_step(ring, user, code, now)?.ok_or(ConfirmError::WrongCode { attempts_left })?;
            Ok(Confirmed { method: Method::Otp, recovery_code: None, totp: Some(step) })
        }
    }
}
