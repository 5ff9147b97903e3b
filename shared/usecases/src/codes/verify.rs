//! Enter a code.
//!
//! A correct code is used up in the same transaction that gives what it is worth, so it is worth something once, and it is
//! not lost when something fails half-way. What each purpose gives stands beside its start: `registration::by_phone`,
//! `sign_in::by_phone`, `sign_in::second_step`, `profile::phone`, `profile::email` and `reset::start`.

use std::{sync::Arc, time::Duration};

use twostep_crypto::{
    KeyRing, access_token::Issuer, challenge_id::ChallengeId, constant_time, recovery_code::RecoveryCode,
};
use twostep_domain::{
    account::{PhoneTrust, User},
    challenge::{Challenge, GuessRefusal, Payload, Purpose, PurposeName, Verdict},
    country::Country,
    ids::UserId,
    one_time_code::OneTimeCode,
    recipient::{Channel, Recipient},
    spending::{MessageEvent, Scope},
    time::Timestamp,
};
use twostep_runtime::{
    config::{self, ConfigError},
    metrics::{Dimension, Metric, Name},
    secrets::{Keys, Secrets},
};
use twostep_stores::{
    CachedSettings, SessionStore, TableError, Tables, UserStore,
    compare_and_swap::{Race, Round, Swap, SwapWith},
    spending::CounterStore,
    transaction::Write,
};

use super::{ChallengeError, ChallengeView, Challenges};
use crate::{
    caller::Caller,
    messages::notice::Notices,
    outage::{Outage, from_outage},
    signed_in::SignedIn,
    warm_up,
};

pub struct VerifyCode {
    pub(crate) keys: Arc<Keys>,
    pub(crate) challenges: Challenges,
    pub(crate) users: UserStore,
    pub(crate) sessions: SessionStore,
    pub(crate) settings: Arc<CachedSettings>,
    pub(crate) notices: Notices,
    /// Whether codes can be sent by email.
    pub(crate) email_is_on: bool,
    counters: CounterStore,
}

/// What a caller enters.
pub enum Guess {
    Code(OneTimeCode),
    RecoveryCode(RecoveryCode),
}

pub struct Entry {
    pub guess: Guess,
    /// For a second step: skip it on this device for thirty days.
    pub remember_device: bool,
}

/// What a correct code gives.
pub enum Verified {
    SignedIn(Box<SignedIn>),
    /// The number is free and may be registered.
    MayRegister {
        registration_token: String,
    },
    /// The number belongs to an account that has been idle for long, so it may have a new owner.
    PhoneIdle {
        registration_token: String,
        /// What the account's owner can confirm the sign-in with.
        confirm_with: Vec<Confirmation>,
    },
    PhoneSet {
        user: Box<User>,
        recovery_codes: Option<Vec<String>>,
    },
    EmailVerified {
        user: Box<User>,
    },
    /// Every proof was given: a new password may be set.
    MayReset {
        reset_token: String,
    },
    /// The reset needs a second proof.
    SecondStep(ChallengeView),
}

/// What an account has besides its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Confirmation {
    Password,
    RecoveryCode,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    WrongCode { attempts_left: usize },
    CodeUsed,
    CodeExpired,
    TooManyAttempts { wait: Duration },
    PhoneTaken,
    EmailTaken,
}

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no such challenge, or a newer code has replaced it.
    #[error("unknown challenge")]
    UnknownChallenge,
    /// A recovery code or a device to remember, but the challenge is not a second step.
    #[error("not a second step")]
    NotASecondStep,
    #[error("the code is not accepted")]
    Rejected(Rejection),
    /// The code is correct and was not used up, but the next step has had too many codes.
    #[error("too many codes")]
    TooManyCodes { wait: Duration },
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(VerifyError);

impl From<ChallengeError> for VerifyError {
    fn from(error: ChallengeError) -> Self {
        match error {
            ChallengeError::TooManyCodes { wait } => Self::TooManyCodes { wait },
            ChallengeError::Outage(outage) => Self::Outage(outage),
        }
    }
}

/// A correct code that has not been used up yet.
pub(crate) struct CorrectCode<'a> {
    pub caller: &'a Caller,
    pub issuer: &'a Issuer,
    pub ring: &'a KeyRing,
    /// The challenge with its code used.
    next: Challenge,
}

/// How the use of a correct code ended.
pub(crate) type Use = Round<Challenge, Verified>;

impl VerifyCode {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            keys: secrets.keys()?,
            challenges: Challenges::open(tables)?,
            users: tables.users()?,
            sessions: tables.sessions()?,
            settings: tables.settings()?,
            notices: Notices::open(tables)?,
            email_is_on: config::email_from(tables.env())?.is_some(),
            counters: tables.counters()?,
        })
    }

    pub async fn warm_up(&self) {
        tokio::join!(warm_up::secret(&self.keys), warm_up::settings(&self.settings));
    }

    /// # Errors
    /// [`VerifyError`]
    pub async fn verify(
        &self,
        caller: &Caller,
        issuer: &Issuer,
        id: &ChallengeId,
        entry: &Entry,
    ) -> Result<Verified, VerifyError> {
        let ring: Arc<KeyRing> = self.keys.get().await?;
        // The settings are read along, for what a correct code needs of them.
        let (found, _) = tokio::try_join!(self.challenges.store.find(id.key()), self.settings.get())?;
        let mut race = Race::on(found);
        loop {
            let challenge = Challenges::named(&ring, id, race.next_round()?).ok_or(VerifyError::UnknownChallenge)?;
            match self.judge(caller, issuer, &ring, challenge, entry).await? {
                Round::Done(verified) => return Ok(verified),
                Round::Lost(winner) => race.lost_to(winner),
            }
        }
    }

    /// Judges a guess, and uses a correct code up.
    async fn judge(
        &self,
        caller: &Caller,
        issuer: &Issuer,
        ring: &KeyRing,
        challenge: Challenge,
        entry: &Entry,
    ) -> Result<Use, VerifyError> {
        let payload = self.challenges.payload(ring, &challenge)?;
        // Only the client that asked may judge its codes, see `verifications`.
        if payload.purpose.verification().is_some() {
            return Err(VerifyError::UnknownChallenge);
        }
        // A recovery code is judged against the account, which is read before the guess is judged.
        let step = match &payload.purpose {
            Purpose::ResetSecondStep { .. } if entry.remember_device => return Err(VerifyError::NotASecondStep),
            Purpose::SecondStep { account } | Purpose::ResetSecondStep { account, .. } => {
                Some(self.open_second_step(ring, account, entry).await?)
            }
            _ if entry.remember_device || matches!(entry.guess, Guess::RecoveryCode(_)) => {
                return Err(VerifyError::NotASecondStep);
            }
            _ => None,
        };
        let matches = match &entry.guess {
            // A code that was never sent is no proof.
            Guess::Code(_) if challenge.channel == Channel::None => false,
            Guess::Code(code) => constant_time::equal(payload.code.expose(), code.expose()),
            Guess::RecoveryCode(_) => step.as_ref().is_some_and(|step| step.recovery_code.is_some()),
        };
        let now = self.now();
        let verdict = challenge.verify(matches, now, &self.challenges.policy);
        let next = match verdict.map_err(|refusal| VerifyError::Rejected(rejection(refusal, now)))? {
            Verdict::Correct { next } => next,
            Verdict::Wrong { next, attempts_left } => {
                return self.reject(&next, Rejection::WrongCode { attempts_left }).await;
            }
        };
        let counted = CountedCode::of(&payload, now);
        let code = CorrectCode { caller, issuer, ring, next };
        let used = match (payload.purpose, payload.to, step) {
            (Purpose::Register, Recipient::Phone(phone), _) => self.use_for_registration(code, phone).await?,
            (Purpose::Login { account: Some(account) }, Recipient::Phone(phone), _) => {
                self.use_for_sign_in(code, phone, account).await?
            }
            (Purpose::Profile(change), Recipient::Phone(phone), _) => {
                self.use_for_phone_change(code, phone, change).await?
            }
            (Purpose::Email(change), Recipient::Email(email), _) => {
                self.use_for_email_change(code, email, change).await?
            }
            (Purpose::SecondStep { account }, _, Some(step)) => self.use_for_second_step(code, account, step).await?,
            (Purpose::Reset { account: Some(account) }, to, _) => self.use_for_reset(code, to, account).await?,
            (Purpose::ResetSecondStep { account, first }, _, Some(step)) => {
                self.use_for_reset_second_step(code, account, first, step).await?
            }
            // No caller holds the id of a notice, and a client's verification was refused above.
            (Purpose::Verification(_) | Purpose::Notice { .. }, ..) => return Err(VerifyError::UnknownChallenge),
            _ => self.use_for_nothing(code, Rejection::CodeExpired).await?,
        };
        if matches!((&used, &entry.guess), (Round::Done(_), Guess::Code(_))) {
            Box::pin(counted.count(&self.counters, self.now())).await;
        }
        Ok(used)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.challenges.clock.now()
    }

    /// Uses a code up, all or nothing with `companions`.
    pub(crate) async fn use_with(
        &self,
        code: &CorrectCode<'_>,
        companions: Vec<Write>,
    ) -> Result<SwapWith<Challenge>, TableError> {
        self.challenges.store.save_with(&code.next, companions).await
    }

    /// Uses a code up and rejects it: what it was for is not possible any more.
    pub(crate) async fn use_for_nothing(
        &self,
        code: CorrectCode<'_>,
        rejection: Rejection,
    ) -> Result<Use, VerifyError> {
        self.reject(&code.next, rejection).await
    }

    /// Saves `next`, then rejects the guess: the caller hears nothing before it is counted.
    async fn reject(&self, next: &Challenge, rejection: Rejection) -> Result<Use, VerifyError> {
        match self.challenges.store.save(next).await? {
            Swap::Saved(_) => Err(VerifyError::Rejected(rejection)),
            Swap::Lost(winner) => Ok(Round::Lost(winner)),
        }
    }

    /// The account after a code was used for it. What was written is done, so a read that failed is repeated once.
    pub(crate) async fn read_again(
        &self,
        read: Result<Option<User>, TableError>,
        id: &UserId,
    ) -> Result<User, VerifyError> {
        let user = match read {
            Ok(user) => user,
            Err(_) => self.users.find(id).await?,
        };
        Ok(user.ok_or(TableError::Malformed { table: "users" })?)
    }
}

/// What is counted of a correct code.
pub(crate) struct CountedCode {
    to: Recipient,
    purpose: PurposeName,
    trust: PhoneTrust,
}

impl CountedCode {
    pub(crate) fn of(payload: &Payload, now: Timestamp) -> Self {
        Self { to: payload.to.clone(), purpose: payload.purpose.name(), trust: payload.phone_trust(now) }
    }

    /// For the breaker and the usage, once the code is used up: counted earlier, one code could count many times. A
    /// sign-in does not fail for it.
    pub(crate) async fn count(self, counters: &CounterStore, now: Timestamp) {
        let name = if self.to.channel() == Channel::Email { Name::EmailCodesVerified } else { Name::CodesVerified };
        Metric::count(name).by(Dimension::Purpose, self.purpose.as_str()).emit(now);
        let Some(phone) = self.to.phone() else { return };
        let Some(country) = Country::of_mobile(phone) else { return };
        let signs_in = matches!(self.purpose, PurposeName::Register | PurposeName::Login | PurposeName::SecondStep);
        let event = MessageEvent::Verified { signs_in, trust: self.trust };
        if let Err(error) = counters.count(country, Some(&Scope::prefix_of(phone)), event, now).await {
            tracing::warn!(%error, "a correct code was not counted");
        }
    }
}

pub(crate) fn rejection(refusal: GuessRefusal, now: Timestamp) -> Rejection {
    match refusal {
        GuessRefusal::Used => Rejection::CodeUsed,
        GuessRefusal::Expired => Rejection::CodeExpired,
        GuessRefusal::TooManyAttempts { until } => Rejection::TooManyAttempts { wait: now.until(until) },
    }
}
