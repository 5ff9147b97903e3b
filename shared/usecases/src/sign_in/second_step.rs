//! The second step of a password sign-in: a code by SMS, the code of an app, or a recovery code.

use twostep_crypto::{
    KeyRing,
    device_token::DeviceToken,
    recovery_code::{self, RecoveryCode},
    sealing::UnsealError,
    totp::TotpSecret,
};
use twostep_domain::{
    account::{AccountSnapshot, Device, Event, User},
    authentication_method::Method,
    challenge::{Purpose, PurposeName},
    ids::UserId,
    one_time_code::OneTimeCode,
    phone::PhoneNumber,
    recipient::Recipient,
    sign_in::SignIn,
    time::Timestamp,
};
use twostep_runtime::{config::ConfigError, entropy};
use twostep_stores::{
    Tables,
    compare_and_swap::{Round, SwapWith},
    users::{SecondStepTaken, StoredRecoveryCode, TotpStep},
};

use crate::{
    caller::Caller,
    codes::{
        ChallengeView, Challenges, ClientIpLimit,
        asking::Asking,
        challenges::{NewCode, second_step},
        verify::{CorrectCode, Entry, Guess, Rejection, Use, Verified, VerifyCode, VerifyError},
    },
    outage::Outage,
    repeat::Outcome,
    signed_in::{self, SignedIn},
};

pub(crate) struct StartSecondStep {
    challenges: Challenges,
    client_ips: ClientIpLimit,
}

impl StartSecondStep {
    pub(crate) fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self { challenges: Challenges::open(tables)?, client_ips: ClientIpLimit::open(tables)? })
    }

    /// Begins the second step of a user whose password was correct. It always begins: if no code can be sent, the user can
    /// enter the code of an app or a recovery code.
    pub(crate) async fn start(&self, caller: &Caller, ring: &KeyRing, user: &User) -> Result<ChallengeView, Outage> {
        let to = user.phone.clone().map_or(Recipient::Nobody, Recipient::Phone);
        let key = Challenges::key(ring, PurposeName::SecondStep, Some(&user.id), &to);
        let count = async {
            match user.phone {
                Some(_) => self.client_ips.count(caller, ring).await,
                None => Ok(Asking::uncounted()),
            }
        };
        let (present, asking) = tokio::try_join!(self.challenges.store.find(&key), count)?;
        let purpose = Purpose::SecondStep {
            account: user.snapshot(),
            totp: user.totp().is_some(),
            recovery_code: !user.recovery_codes.is_empty(),
        };
        let new = NewCode { to: &to, purpose, language: caller.language, decoy: false };
        let started = self.challenges.start(ring, key, present, new, &asking).await;
        self.client_ips.settle(asking, &started).await;
        second_step(started)
    }
}

/// What a second step needs to know about its account before the guess is judged.
pub(crate) struct SecondStep {
    pub user: User,
    /// The account's code that was entered, if it was one.
    pub recovery_code: Option<StoredRecoveryCode>,
    /// The code of the account's app that was entered, if it was one.
    pub totp: Option<TotpStep>,
    remember_device: bool,
}

impl SecondStep {
    pub(crate) fn has_totp(&self) -> bool {
        self.user.totp().is_some()
    }
}

impl VerifyCode {
    pub(crate) async fn open_second_step(
        &self,
        ring: &KeyRing,
        account: &AccountSnapshot,
        entry: &Entry,
    ) -> Result<SecondStep, VerifyError> {
        let user = self.users.find(&account.user_id).await?.ok_or(VerifyError::UnknownChallenge)?;
        let recovery_code = match &entry.guess {
            Guess::Code(_) | Guess::Totp(_) => None,
            Guess::RecoveryCode(code) => stored_code(ring, &user, code),
        };
        let totp = match &entry.guess {
            Guess::Totp(code) => totp_step(ring, &user, code, self.now())?,
            Guess::Code(_) | Guess::RecoveryCode(_) => None,
        };
        Ok(SecondStep { user, recovery_code, totp, remember_device: entry.remember_device })
    }

    /// The account of a sign-in by phone whose user enters a recovery code in place of the code. Only the phone's own
    /// account accepts one, and only without a password: with one, a recovery code is a second step. Anything else is read
    /// all the same, and no code is correct for it.
    pub(crate) async fn open_recovery(
        &self,
        ring: &KeyRing,
        account: Option<&AccountSnapshot>,
        phone: Option<&PhoneNumber>,
        code: &RecoveryCode,
    ) -> Result<Option<SecondStep>, VerifyError> {
        let id = account.map_or_else(|| UserId::from_stored("nobody"), |account| account.user_id.clone());
        let user = self.users.find(&id).await?;
        let user = user.filter(|user| user.phone.as_ref() == phone && user.password.is_none());
        Ok(user.map(|user| {
            let recovery_code = stored_code(ring, &user, code);
            SecondStep { user, recovery_code, totp: None, remember_device: false }
        }))
    }

    /// Signs in to an account without a password with one of its recovery codes.
    pub(crate) async fn use_recovery_code_for_sign_in(
        &self,
        code: CorrectCode<'_>,
        step: SecondStep,
    ) -> Result<Use, VerifyError> {
        let (now, SecondStep { user, recovery_code, .. }) = (self.now(), step);
        let account = user.snapshot();
        let (session, token) = signed_in::begin(code.caller, &account, SignIn::by_recovery_code(now));
        let taken = SecondStepTaken { recovery_code: recovery_code.as_ref(), ..SecondStepTaken::default() };
        let mut companions = vec![
            self.users.second_step_taken(&account, &taken),
            self.sessions.insert(&session),
            self.audit.write(&self.audit.of_session(Event::SignedIn, &session)),
        ];
        companions.extend(self.kept(&code, &Outcome::signed_in(&token, None)));
        match self.use_with(&code, companions).await? {
            SwapWith::Saved => {
                signed_in::record_use(&self.users, &user, now).await;
                let user = without_code(user, recovery_code.as_ref());
                let signed_in = SignedIn::new(code.issuer, code.ring, &session, token, user, now);
                Ok(Round::Done(Verified::SignedIn(Box::new(signed_in))))
            }
            SwapWith::Lost(winner) => Ok(Round::Lost(winner)),
            SwapWith::Refused { .. } => self.use_for_nothing(code, Rejection::CodeExpired).await,
        }
    }

    /// Completes a sign-in that began with a password.
    pub(crate) async fn use_for_second_step(
        &self,
        code: CorrectCode<'_>,
        account: AccountSnapshot,
        step: SecondStep,
    ) -> Result<Use, VerifyError> {
        let (now, SecondStep { user, recovery_code, totp, remember_device }) = (self.now(), step);
        let method = if recovery_code.is_some() || totp.is_some() { Method::Otp } else { Method::Sms };
        let (session, token) = signed_in::begin(code.caller, &account, SignIn::in_two_steps(method, now, now));
        let remembered = remember_device.then(|| {
            let token = DeviceToken::random(&mut entropy::system());
            let device = Device::remembered(code.caller.user_agent.clone(), token.hash(), method, now);
            (token, device)
        });
        let forgotten = if remember_device { user.devices_to_forget(now) } else { Vec::new() };
        let taken = SecondStepTaken {
            recovery_code: recovery_code.as_ref(),
            totp: totp.as_ref(),
            device: remembered.as_ref().map(|(token, device)| (token.id.as_str(), device)),
            forgotten: &forgotten,
        };
        let mut companions = vec![
            self.users.second_step_taken(&account, &taken),
            self.sessions.insert(&session),
            self.audit.write(&self.audit.of_session(Event::SignedIn, &session)),
        ];
        let device_token = remembered.as_ref().map(|(token, _)| token);
        companions.extend(self.kept(&code, &Outcome::signed_in(&token, device_token)));
        match self.use_with(&code, companions).await? {
            SwapWith::Saved => {
                signed_in::record_use(&self.users, &user, now).await;
                let user = without_code(user, recovery_code.as_ref());
                let mut signed_in = SignedIn::new(code.issuer, code.ring, &session, token, user, now);
                signed_in.device_token = remembered.map(|(token, _)| token);
                Ok(Round::Done(Verified::SignedIn(Box::new(signed_in))))
            }
            SwapWith::Lost(winner) => Ok(Round::Lost(winner)),
            // Another guess used the same recovery code or the same step of the app, or the account was changed since its password was entered.
            SwapWith::Refused { .. } => self.use_for_nothing(code, Rejection::CodeExpired).await,
        }
    }
}

/// The step of the account's app that `code` belongs to.
pub(super) fn totp_step(
    ring: &KeyRing,
    user: &User,
    code: &OneTimeCode,
    now: Timestamp,
) -> Result<Option<TotpStep>, UnsealError> {
    let Some((id, totp)) = user.totp() else { return Ok(None) };
    let secret = TotpSecret::open(ring, &user.id, &totp.secret)?;
    Ok(secret.step_of(code, totp.last_step, now).map(|step| TotpStep { id: id.to_owned(), step }))
}

/// The account's recovery code that was entered.
pub(super) fn stored_code(ring: &KeyRing, user: &User, code: &RecoveryCode) -> Option<StoredRecoveryCode> {
    let hash = code.hash(&ring.pepper, &user.id);
    let index = recovery_code::position(&user.recovery_codes, &hash);
    index.map(|index| StoredRecoveryCode { index, hash })
}

/// The user as it is after the code was used up.
pub(super) fn without_code(mut user: User, used: Option<&StoredRecoveryCode>) -> User {
    if let Some(used) = used {
        user.recovery_codes.remove(used.index);
    }
    user
}
