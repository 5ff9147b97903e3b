//! Begin a password reset with a code by email or by SMS, and enter the code.

use std::sync::Arc;

use twostep_crypto::{KeyRing, reset_token};
use twostep_domain::{
    account::{AccountSnapshot, User},
    challenge::{Challenge, Purpose, PurposeName},
    email::EmailAddress,
    ids::ChallengeKey,
    phone::PhoneNumber,
    proof::Proof,
    recipient::Recipient,
    reset::{Grant, may_begin_by_email, needs_second_proof},
};
use twostep_runtime::{
    config::{self, ConfigError},
    entropy,
    secrets::{Keys, Secrets},
};
use twostep_stores::{
    Tables, UserStore,
    compare_and_swap::{Round, SwapWith},
};

use crate::{
    caller::Caller,
    codes::{
        Admission, ChallengeView, Challenges, StartError,
        admission::Admitted,
        asking::Asking,
        challenges::NewCode,
        verify::{CorrectCode, Rejection, Use, Verified, VerifyCode, VerifyError},
    },
    repeat::Outcome,
    warm_up,
};

pub struct StartReset {
    keys: Arc<Keys>,
    challenges: Challenges,
    users: UserStore,
    admission: Admission,
    email_is_on: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum StartResetError {
    #[error("no emails are sent")]
    EmailOff,
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Who gets the code, and for which account; without one it is a decoy.
struct Found {
    to: Recipient,
    account: Option<AccountSnapshot>,
}

impl StartReset {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            keys: secrets.keys()?,
            challenges: Challenges::open(tables)?,
            users: tables.users()?,
            admission: Admission::open(tables)?,
            email_is_on: config::email_from(tables.env())?.is_some(),
        })
    }

    pub async fn warm_up(&self) {
        tokio::join!(warm_up::secret(&self.keys), warm_up::settings(self.admission.settings()));
    }

    /// Sends a code to `email`. An address that no account has gets a decoy, through the same steps and with the same
    /// response, and so does one that could be anybody's.
    ///
    /// # Errors
    /// [`StartResetError`]
    pub async fn by_email(&self, caller: &Caller, email: &EmailAddress) -> Result<ChallengeView, StartResetError> {
        if !self.email_is_on {
            return Err(StartResetError::EmailOff);
        }
        let ring = self.keys.get().await.map_err(StartError::from)?;
        let to = Recipient::from(email.clone());
        let key = Challenges::key(&ring, PurposeName::Reset, None, &to);
        let read = async { tokio::try_join!(self.challenges.store.find(&key), self.users.find_by_email(email)) };
        let (found, asking) = self.admission.count_client_ip_while(caller, &ring, read).await?;
        let (present, user) = match found {
            Ok(found) => found,
            Err(error) => {
                self.admission.release(asking).await;
                return Err(StartError::from(error).into());
            }
        };
        let found = match user.filter(may_begin_by_email) {
            // To the address as its owner wrote it, whatever the spelling of the caller.
            Some(user) => Found { to: user.email.clone().into(), account: Some(user.snapshot()) },
            None => Found { to, account: None },
        };
        self.start(caller, &ring, (key, present), found, asking).await
    }

    /// Sends a code to `phone`. A number that no account has gets a decoy, as in [`Self::by_email`].
    ///
    /// # Errors
    /// [`StartResetError`]
    pub async fn by_phone(&self, caller: &Caller, phone: &PhoneNumber) -> Result<ChallengeView, StartResetError> {
        let ring = self.keys.get().await.map_err(StartError::from)?;
        let to = Recipient::from(phone.clone());
        let key = Challenges::key(&ring, PurposeName::Reset, None, &to);
        let read = async { tokio::try_join!(self.challenges.store.find(&key), self.users.phone_owner(phone)) };
        // Who owns the number must not affect the response, so nothing is known about it here.
        let Admitted { found, asking, .. } = self.admission.admit_while(caller, &ring, phone, None, read).await?;
        let (present, account) = match found {
            Ok(found) => found,
            Err(error) => {
                self.admission.release(asking).await;
                return Err(StartError::from(error).into());
            }
        };
        self.start(caller, &ring, (key, present), Found { to, account }, asking).await
    }

    async fn start(
        &self,
        caller: &Caller,
        ring: &KeyRing,
        (key, present): (ChallengeKey, Option<Challenge>),
        found: Found,
        asking: Asking,
    ) -> Result<ChallengeView, StartResetError> {
        let Found { to, account } = found;
        let decoy = account.is_none();
        let new = NewCode { to: &to, purpose: Purpose::Reset { account }, language: caller.language, decoy };
        Ok(self.admission.start(&self.challenges, ring, key, present, new, asking).await?)
    }
}

impl VerifyCode {
    /// Grants the reset, or begins its second step if the account asks for two.
    pub(crate) async fn use_for_reset(
        &self,
        code: CorrectCode<'_>,
        to: Recipient,
        account: AccountSnapshot,
    ) -> Result<Use, VerifyError> {
        let (settings, user) = (self.settings.get().await?, self.users.find(&account.user_id).await?);
        let first = Proof::by(&to);
        let Some((user, first)) = user.filter(|user| still_reached(user, &to)).zip(first) else {
            // The number or address has another owner since the code was requested.
            return self.use_for_nothing(code, Rejection::CodeExpired).await;
        };
        let now = self.now();
        let (granted, outcome) = if needs_second_proof(&settings, &user, first, now) {
            // It begins before the code is used up, so a failure in between costs nothing but a message.
            let challenge = self.start_reset_second_step(&code, &user, first).await?;
            let outcome = Outcome::SecondStep { challenge_id: challenge.id.clone() };
            (Verified::SecondStep(challenge), outcome)
        } else {
            let verifies_email = first == Proof::Email && user.email_verified_at.is_none();
            let (user_id, epoch) = (user.id.clone(), user.epoch);
            let grant = Grant { user_id, epoch, first: first.method(), second: None, verifies_email };
            let reset_token = reset_token::issue(code.ring, grant, now, &mut entropy::system());
            (Verified::MayReset { reset_token: reset_token.clone() }, Outcome::MayReset { reset_token })
        };
        let mut companions = vec![self.users.unchanged(&user.snapshot())];
        companions.extend(self.kept(&code, &outcome));
        match self.use_with(&code, companions).await? {
            SwapWith::Saved => Ok(Round::Done(granted)),
            SwapWith::Lost(winner) => Ok(Round::Lost(winner)),
            SwapWith::Refused { .. } => self.use_for_nothing(code, Rejection::CodeExpired).await,
        }
    }
}

/// Whether a code to `to` still reaches the account's owner.
fn still_reached(user: &User, to: &Recipient) -> bool {
    match to {
        Recipient::Phone(phone) => user.phone.as_ref() == Some(phone),
        Recipient::Email(email) => user.email == *email && may_begin_by_email(user),
        Recipient::Nobody => false,
    }
}
