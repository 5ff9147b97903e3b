//! The second proof of a password reset: a code by the other channel, or a recovery code.

use twostep_crypto::reset_token;
use twostep_domain::{
    account::{AccountSnapshot, User},
    authentication_method::Method,
    challenge::{Purpose, PurposeName},
    proof::Proof,
    reset::{Grant, second_recipient},
};
use twostep_runtime::entropy;
use twostep_stores::{
    compare_and_swap::{Round, SwapWith},
    users::SecondStepTaken,
};

use crate::{
    codes::{
        ChallengeView, Challenges,
        asking::Asking,
        challenges::{NewCode, second_step},
        verify::{CorrectCode, Rejection, Use, Verified, VerifyCode, VerifyError},
    },
    repeat::Outcome,
    sign_in::second_step::SecondStep,
};

impl VerifyCode {
    /// Sends a code to the other of number and address, if there is one. Otherwise, and if that one has had too many codes,
    /// the step begins without a message: the user enters the code of an app or a recovery code.
    pub(crate) async fn start_reset_second_step(
        &self,
        code: &CorrectCode<'_>,
        user: &User,
        first: Proof,
    ) -> Result<ChallengeView, VerifyError> {
        let to = second_recipient(user, first, self.email_is_on);
        let key = Challenges::key(code.ring, PurposeName::ResetSecondStep, Some(&user.id), &to);
        let present = self.challenges.store.find(&key).await?;
        let purpose = Purpose::ResetSecondStep {
            account: user.snapshot(),
            first,
            totp: user.totp().is_some(),
            recovery_code: !user.recovery_codes.is_empty(),
        };
        let new = NewCode { to: &to, purpose, language: code.caller.language, decoy: false };
        let started = self.challenges.start(code.ring, key, present, new, &Asking::uncounted()).await;
        Ok(second_step(started)?)
    }

    /// Grants the reset: the second proof is another than the first.
    pub(crate) async fn use_for_reset_second_step(
        &self,
        code: CorrectCode<'_>,
        account: AccountSnapshot,
        first: Proof,
        step: SecondStep,
    ) -> Result<Use, VerifyError> {
        let other_code = match first {
            Proof::Email => Method::Sms,
            Proof::Phone => Method::Otp,
        };
        let second = if step.recovery_code.is_some() || step.totp.is_some() { Method::Otp } else { other_code };
        let verifies_email = first == Proof::Email && step.user.email_verified_at.is_none();
        let grant = Grant {
            user_id: account.user_id.clone(),
            epoch: account.epoch,
            first: first.method(),
            second: Some(second),
            verifies_email,
        };
        let taken = SecondStepTaken {
            recovery_code: step.recovery_code.as_ref(),
            totp: step.totp.as_ref(),
            ..SecondStepTaken::default()
        };
        let reset_token = reset_token::issue(code.ring, grant, self.now(), &mut entropy::system());
        let mut companions = vec![self.users.second_step_taken(&account, &taken)];
        companions.extend(self.kept(&code, &Outcome::MayReset { reset_token: reset_token.clone() }));
        match self.use_with(&code, companions).await? {
            SwapWith::Saved => Ok(Round::Done(Verified::MayReset { reset_token })),
            SwapWith::Lost(winner) => Ok(Round::Lost(winner)),
            // Another guess used the same recovery code or the same step of the app, or the account was changed since the first proof.
            SwapWith::Refused { .. } => self.use_for_nothing(code, Rejection::CodeExpired).await,
        }
    }
}
