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
    account::{Role, User},
    challenge::{Challenge, GuessRefusal, Payload, Purpose, Verdict, state_machine},
    ids::UserId,
    one_time_code::OneTimeCode,
    proof::Confirmation,
    recipient::{Channel, Recipient},
    time::Timestamp,
};
use twostep_runtime::{
    config::{self, ConfigError},
    metrics::{Dimension, Metric, Name},
    secrets::{Keys, Secrets},
};
use twostep_stores::{
    CachedSettings, SessionStore, TableError, Tables, UserStore,
    client_network::hidden_network,
    compare_and_swap::{Race, Round, Swap, SwapWith},
    transaction::Write,
};

use super::{ChallengeView, Challenges};
use crate::{
    audit::Audit,
    caller::Caller,
    messages::notice::Notices,
    outage::{Outage, from_outage},
    repeat::{Earlier, Outcome, Repeatable, Repeats, Ticket},
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
    pub(crate) audit: Audit,
    repeats: Repeats,
}

/// What a caller enters.
pub enum Guess {
    Code(OneTimeCode),
    /// The code of an app, for a second step.
    Totp(OneTimeCode),
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
    /// This challenge does not accept what was entered, or no device can be remembered with it.
    #[error("the challenge does not accept this")]
    NotAccepted,
    #[error("the idempotency key came with another body")]
    IdempotencyMismatch,
    #[error("the code is not accepted")]
    Rejected(Rejection),
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(VerifyError);

/// A correct code that has not been used up yet.
pub(crate) struct CorrectCode<'a> {
    pub caller: &'a Caller,
    pub issuer: &'a Issuer,
    pub ring: &'a KeyRing,
    /// Where the outcome is kept, so that it can be asked for again.
    ticket: Option<&'a Ticket>,
    /// The challenge with its code used.
    next: Challenge,
}

/// Who guesses, and how the request can be repeated.
#[derive(Clone, Copy)]
struct Request<'a> {
    caller: &'a Caller,
    issuer: &'a Issuer,
    ring: &'a KeyRing,
    ticket: Option<&'a Ticket>,
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
            audit: Audit::open(tables)?,
            repeats: Repeats::open(tables)?,
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
        repeat: Option<&Repeatable>,
    ) -> Result<Verified, VerifyError> {
        let ring: Arc<KeyRing> = self.keys.get().await?;
        let ticket = repeat.map(|repeat| repeat.ticket(&ring, "verify", id.key().as_str()));
        let request = Request { caller, issuer, ring: &ring, ticket: ticket.as_ref() };
        // The settings are read along, for what a correct code needs of them.
        let found = async { Ok::<_, Outage>(self.challenges.store.find(id.key()).await?) };
        let settings = async { Ok::<_, Outage>(self.settings.get().await?) };
        let (found, _, earlier) = tokio::try_join!(found, settings, self.repeats.find(&ring, request.ticket))?;
        // These futures are on the heap: each holds several of the SDK's, and those are large.
        if let Some(again) = Box::pin(self.repeat(request, found.as_ref(), earlier)).await? {
            return Ok(again);
        }
        let mut race = Race::on(found);
        loop {
            let found = race.next_round()?;
            let challenge = Challenges::named(&ring, id, found).ok_or(VerifyError::UnknownChallenge)?;
            match Box::pin(self.judge(request, challenge.clone(), entry)).await {
                Ok(Round::Done(verified)) => return Ok(verified),
                Ok(Round::Lost(winner)) => race.lost_to(winner),
                // The same request may have run twice at once.
                Err(VerifyError::Rejected(Rejection::CodeUsed)) if ticket.is_some() => {
                    let earlier = self.repeats.find(&ring, request.ticket).await?;
                    let again = Box::pin(self.repeat(request, Some(&challenge), earlier)).await?;
                    return again.ok_or(VerifyError::Rejected(Rejection::CodeUsed));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The outcome of an earlier request with the same key, given again.
    async fn repeat(
        &self,
        request: Request<'_>,
        challenge: Option<&Challenge>,
        earlier: Earlier,
    ) -> Result<Option<Verified>, VerifyError> {
        let (outcome, ticket) = match (earlier, request.ticket) {
            (Earlier::OtherBody, _) => return Err(VerifyError::IdempotencyMismatch),
            (Earlier::Outcome(outcome), Some(ticket)) => (outcome, ticket),
            _ => return Ok(None),
        };
        match outcome {
            Outcome::MayRegister { registration_token } => Ok(Some(Verified::MayRegister { registration_token })),
            Outcome::WrongCode { attempts_left } => Err(VerifyError::Rejected(Rejection::WrongCode { attempts_left })),
            Outcome::PhoneSet { recovery_codes } => {
                let user = self.account_of(request, challenge).await?;
                Ok(user.map(|user| Verified::PhoneSet { user: Box::new(user), recovery_codes }))
            }
            Outcome::SignedIn { .. } => {
                let (stores, Request { issuer, ring, .. }) = ((&self.users, &self.sessions), request);
                let again = self.repeats.sign_in_again(stores, issuer, ring, ticket).await?;
                Ok(again.map(|signed_in| Verified::SignedIn(Box::new(signed_in))))
            }
            Outcome::PhoneIdle { registration_token, confirm_with } => {
                Ok(Some(Verified::PhoneIdle { registration_token, confirm_with }))
            }
            Outcome::MayReset { reset_token } => Ok(Some(Verified::MayReset { reset_token })),
            Outcome::SecondStep { challenge_id } => {
                let Ok(id) = ChallengeId::parse(&challenge_id) else { return Ok(None) };
                let found = self.challenges.store.find(id.key()).await?;
                let Some(next) = Challenges::named(request.ring, &id, found) else { return Ok(None) };
                let payload = self.challenges.payload(request.ring, &next)?;
                Ok(Some(Verified::SecondStep(self.challenges.view(request.ring, &next, &payload))))
            }
            Outcome::EmailVerified => {
                let user = self.account_of(request, challenge).await?;
                Ok(user.map(|user| Verified::EmailVerified { user: Box::new(user) }))
            }
            Outcome::RecoveryCodes { .. } | Outcome::TotpOn { .. } => Ok(None),
        }
    }

    /// The account that a challenge is about, as it is now.
    async fn account_of(
        &self,
        request: Request<'_>,
        challenge: Option<&Challenge>,
    ) -> Result<Option<User>, VerifyError> {
        let Some(challenge) = challenge else { return Ok(None) };
        let payload = self.challenges.payload(request.ring, challenge)?;
        let Some(account) = payload.purpose.account() else { return Ok(None) };
        Ok(self.users.find(&account.user_id).await?)
    }

    /// Whether it is the code of a test number. No admin's account accepts one: all testers know it.
    async fn is_fixed_code(&self, payload: &Payload, code: &OneTimeCode) -> Result<bool, VerifyError> {
        let settings = self.settings.get().await?;
        let Some(phone) = payload.to.phone() else { return Ok(false) };
        let Some(number) = settings.test_number(phone) else { return Ok(false) };
        if !constant_time::equal(number.code(), code.expose()) {
            return Ok(false);
        }
        let of_account = async {
            match payload.purpose.account() {
                Some(account) => self.users.find_any(&account.user_id).await,
                None => Ok(None),
            }
        };
        let (owner, user) = tokio::try_join!(self.users.find_any_by_phone(phone), of_account)?;
        Ok([owner, user].into_iter().flatten().all(|user| user.role != Role::Admin))
    }

    /// Judges a guess, and uses a correct code up.
    async fn judge(&self, request: Request<'_>, challenge: Challenge, entry: &Entry) -> Result<Use, VerifyError> {
        let Request { caller, issuer, ring, ticket } = request;
        let payload = self.challenges.payload(ring, &challenge)?;
        // Only the client that asked may judge its codes, see `verifications`.
        if payload.purpose.verification().is_some() {
            return Err(VerifyError::UnknownChallenge);
        }
        // What is not the challenge's own code is judged against the account, which is read before.
        let step = match (&payload.purpose, &entry.guess) {
            (Purpose::ResetSecondStep { .. }, _) if entry.remember_device => return Err(VerifyError::NotAccepted),
            (Purpose::SecondStep { account, .. } | Purpose::ResetSecondStep { account, .. }, guess) => {
                let step = self.open_second_step(ring, account, entry).await?;
                let is_offered = match guess {
                    Guess::Code(_) => payload.to != Recipient::Nobody,
                    Guess::Totp(_) => step.has_totp(),
                    Guess::RecoveryCode(_) => true,
                };
                Some(Some(step).filter(|_| is_offered).ok_or(VerifyError::NotAccepted)?)
            }
            _ if entry.remember_device => return Err(VerifyError::NotAccepted),
            (Purpose::Login { account }, Guess::RecoveryCode(code)) => {
                self.open_recovery(ring, account.as_ref(), payload.to.phone(), code).await?
            }
            (_, Guess::Code(_)) => None,
            _ => return Err(VerifyError::NotAccepted),
        };
        let from = hidden_network("guess", &ring.pepper, challenge.key.as_str(), caller.client_ip);
        let (guess, matches) = match &entry.guess {
            Guess::Code(code) => {
                let is_correct = constant_time::equal(payload.code.expose(), code.expose())
                    || self.is_fixed_code(&payload, code).await?;
                (state_machine::Guess::Code, is_correct)
            }
            Guess::Totp(_) => {
                let is_correct = step.as_ref().is_some_and(|step| step.totp.is_some());
                (state_machine::Guess::Totp { from: &from }, is_correct)
            }
            Guess::RecoveryCode(_) => {
                let is_correct = step.as_ref().is_some_and(|step| step.recovery_code.is_some());
                (state_machine::Guess::RecoveryCode { from: &from }, is_correct)
            }
        };
        let now = self.now();
        let verdict = challenge.verify(guess, matches, now, &self.challenges.policy);
        let next = match verdict.map_err(|refusal| VerifyError::Rejected(rejection(refusal, now)))? {
            Verdict::Correct { next } => next,
            Verdict::Wrong { next, attempts_left } => {
                let outcome = Outcome::WrongCode { attempts_left };
                let kept = self.repeats.write(ring, ticket, &outcome);
                return self.reject(&next, kept, Rejection::WrongCode { attempts_left }).await;
            }
        };
        let (purpose, channel) = (payload.purpose.name(), payload.to.channel());
        let code = CorrectCode { caller, issuer, ring, ticket, next };
        let used = match (payload.purpose, payload.to, step) {
            (Purpose::Register, Recipient::Phone(phone), _) => self.use_for_registration(code, phone).await?,
            (Purpose::Login { .. }, _, Some(step)) => self.use_recovery_code_for_sign_in(code, step).await?,
            (Purpose::Login { account: Some(account) }, Recipient::Phone(phone), None) => {
                self.use_for_sign_in(code, phone, account).await?
            }
            (Purpose::Profile(change), Recipient::Phone(phone), _) => {
                self.use_for_phone_change(code, &phone, change).await?
            }
            (Purpose::Email(change), Recipient::Email(email), _) => {
                self.use_for_email_change(code, email, change).await?
            }
            (Purpose::SecondStep { account, .. }, _, Some(step)) => {
                self.use_for_second_step(code, account, step).await?
            }
            (Purpose::Reset { account: Some(account) }, to, _) => self.use_for_reset(code, to, account).await?,
            (Purpose::ResetSecondStep { account, first, .. }, _, Some(step)) => {
                self.use_for_reset_second_step(code, account, first, step).await?
            }
            // No caller holds the id of a notice, and a client's verification was refused above.
            (Purpose::Verification(_) | Purpose::Notice { .. }, ..) => return Err(VerifyError::UnknownChallenge),
            _ => self.use_for_nothing(code, Rejection::CodeExpired).await?,
        };
        if matches!((&used, &entry.guess), (Round::Done(_), Guess::Code(_))) {
            // The usage and the breaker count it later, by the table's stream: the user does not wait for that.
            let name = if channel == Channel::Email { Name::EmailCodesVerified } else { Name::CodesVerified };
            Metric::count(name).by(Dimension::Purpose, purpose.as_str()).emit(now);
        }
        Ok(used)
    }

    /// The write that keeps the outcome of a correct code, so that it can be asked for again.
    pub(crate) fn kept(&self, code: &CorrectCode<'_>, outcome: &Outcome) -> Option<Write> {
        self.repeats.write(code.ring, code.ticket, outcome)
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
        self.reject(&code.next, None, rejection).await
    }

    /// Saves `next`, then rejects the guess: the caller hears nothing before it is counted.
    async fn reject(&self, next: &Challenge, kept: Option<Write>, rejection: Rejection) -> Result<Use, VerifyError> {
        let Some(kept) = kept else {
            return match self.challenges.store.save(next).await? {
                Swap::Saved(_) => Err(VerifyError::Rejected(rejection)),
                Swap::Lost(winner) => Ok(Round::Lost(winner)),
            };
        };
        match self.challenges.store.save_with(next, vec![kept]).await? {
            SwapWith::Saved => Err(VerifyError::Rejected(rejection)),
            SwapWith::Lost(winner) => Ok(Round::Lost(winner)),
            // Another request with the same key was faster.
            SwapWith::Refused { .. } => Err(VerifyError::IdempotencyMismatch),
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

pub(crate) fn rejection(refusal: GuessRefusal, now: Timestamp) -> Rejection {
    match refusal {
        GuessRefusal::Used => Rejection::CodeUsed,
        GuessRefusal::Expired => Rejection::CodeExpired,
        GuessRefusal::TooManyAttempts { until } => Rejection::TooManyAttempts { wait: now.until(until) },
    }
}
