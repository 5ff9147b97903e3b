//! The second step of a password sign-in: a code, or a recovery code in its place.

use twostep_crypto::{KeyRing, device_token::DeviceToken, recovery_code};
use twostep_domain::{
    account::{AccountSnapshot, Device, User},
    authentication_method::Method,
    challenge::{Purpose, PurposeName},
    phone::PhoneNumber,
    recipient::Recipient,
    sign_in::SignIn,
};
use twostep_runtime::{config::ConfigError, entropy};
use twostep_stores::{
    Tables,
    compare_and_swap::{Round, SwapWith},
    users::{SecondStepTaken, StoredRecoveryCode},
};

use crate::{
    caller::Caller,
    codes::{
        ChallengeError, ChallengeView, Challenges,
        challenges::NewCode,
        verify::{CorrectCode, Entry, Guess, Rejection, Use, Verified, VerifyCode, VerifyError},
    },
    signed_in::{self, SignedIn},
};

pub(crate) struct StartSecondStep {
    challenges: Challenges,
}

impl StartSecondStep {
    pub(crate) fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self { challenges: Challenges::open(tables)? })
    }

    /// Sends a code to the number of a user whose password was correct.
    pub(crate) async fn start(
        &self,
        caller: &Caller,
        ring: &KeyRing,
        user: &User,
        phone: &PhoneNumber,
    ) -> Result<ChallengeView, ChallengeError> {
        let to = Recipient::from(phone.clone());
        let key = Challenges::key(ring, PurposeName::SecondStep, Some(&user.id), &to);
        let present = self.challenges.store.find(&key).await?;
        let purpose = Purpose::SecondStep { account: user.snapshot() };
        let new = NewCode { to: &to, purpose, language: caller.language, decoy: false };
        self.challenges.start(ring, key, present, new).await
    }
}

/// What a second step needs to know about its account before the guess is judged.
pub(crate) struct SecondStep {
    pub user: User,
    /// The account's code that was entered, if it was one.
    pub recovery_code: Option<StoredRecoveryCode>,
    remember_device: bool,
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
            Guess::Code(_) => None,
            Guess::RecoveryCode(code) => {
                let hash = code.hash(&ring.pepper, &user.id);
                let index = recovery_code::position(&user.recovery_codes, &hash);
                index.map(|index| StoredRecoveryCode { index, hash })
            }
        };
        Ok(SecondStep { user, recovery_code, remember_device: entry.remember_device })
    }

    /// Completes a sign-in that began with a password.
    pub(crate) async fn use_for_second_step(
        &self,
        code: CorrectCode<'_>,
        account: AccountSnapshot,
        step: SecondStep,
    ) -> Result<Use, VerifyError> {
        let (now, SecondStep { user, recovery_code, remember_device }) = (self.now(), step);
        let method = if recovery_code.is_some() { Method::Otp } else { Method::Sms };
        let (session, token) = signed_in::begin(&account, SignIn::in_two_steps(method, now, now));
        let remembered = remember_device.then(|| {
            let token = DeviceToken::random(&mut entropy::system());
            let device = Device::remembered(code.caller.user_agent.clone(), token.hash(), method, now);
            (token, device)
        });
        let forgotten = if remember_device { user.devices_to_forget(now) } else { Vec::new() };
        let taken = SecondStepTaken {
            recovery_code: recovery_code.as_ref(),
            device: remembered.as_ref().map(|(token, device)| (token.id.as_str(), device)),
            forgotten: &forgotten,
        };
        let companions = vec![self.users.second_step_taken(&account, &taken), self.sessions.insert(&session)];
        match self.use_with(&code, companions).await? {
            SwapWith::Saved => {
                signed_in::record_use(&self.users, &user, now).await;
                let mut signed_in = SignedIn::new(code.issuer, code.ring, &session, token, user, now);
                signed_in.device_token = remembered.map(|(token, _)| token);
                Ok(Round::Done(Verified::SignedIn(Box::new(signed_in))))
            }
            SwapWith::Lost(winner) => Ok(Round::Lost(winner)),
            // Another guess used the same recovery code, or the account was changed since its password was entered.
            SwapWith::Refused { .. } => self.use_for_nothing(code, Rejection::CodeExpired).await,
        }
    }
}
