//! Make new recovery codes.

use twostep_crypto::{KeyRing, access_token::Claims, recovery_code};
use twostep_domain::{account::Event, challenge::Notice};
use twostep_runtime::entropy;
use twostep_stores::users::ChangeError;

use crate::{
    access::{Access, AccessError},
    caller::Caller,
    repeat::{Earlier, Outcome, Repeatable, Ticket},
};

#[derive(Debug, thiserror::Error)]
pub enum RecoveryCodesError {
    #[error("two-step is off")]
    TwoStepOff,
    #[error("the idempotency key came with another body")]
    IdempotencyMismatch,
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl Access {
    /// Makes ten new recovery codes. The old ones stop working, and the user is told.
    ///
    /// # Errors
    /// [`RecoveryCodesError`]
    pub async fn new_recovery_codes(
        &self,
        caller: &Caller,
        claims: &Claims,
        repeat: Option<&Repeatable>,
    ) -> Result<Vec<String>, RecoveryCodesError> {
        let (account, user) = self.open_for_change(claims).await?;
        let ring = &account.ring;
        let ticket = repeat.map(|repeat| repeat.ticket(ring, "recovery-codes", claims.sub.as_str()));
        if let Some(codes) = self.made_before(ring, ticket.as_ref()).await? {
            return Ok(codes);
        }
        if !user.two_step {
            return Err(RecoveryCodesError::TwoStepOff);
        }
        let (codes, hashes) = recovery_code::fresh_set(&ring.pepper, &user.id, &mut entropy::system());
        let entry = self.audit.of_claims(Event::RecoveryCodesCreated, claims, caller);
        let mut writes = vec![self.users.set_recovery_codes(&user.snapshot(), &hashes), self.audit.write(&entry)];
        let outcome = Outcome::RecoveryCodes { recovery_codes: codes.clone() };
        writes.extend(self.repeats.write(ring, ticket.as_ref(), &outcome));
        writes.extend(self.notices.to_user(ring, &user, Notice::RecoveryCodesReplaced, caller.language));
        match self.users.commit(writes).await {
            Ok(()) => Ok(codes),
            // The same request may have run twice at once.
            Err(ChangeError::Outdated) if ticket.is_some() => {
                let made = self.made_before(ring, ticket.as_ref()).await?;
                made.ok_or(RecoveryCodesError::TwoStepOff)
            }
            Err(ChangeError::Outdated) => Err(RecoveryCodesError::TwoStepOff),
            Err(error) => Err(AccessError::Outage(error.into()).into()),
        }
    }

    /// The codes that an earlier request with the same key has made.
    async fn made_before(
        &self,
        ring: &KeyRing,
        ticket: Option<&Ticket>,
    ) -> Result<Option<Vec<String>>, RecoveryCodesError> {
        match self.repeats.find(ring, ticket).await.map_err(AccessError::Outage)? {
            Earlier::OtherBody => Err(RecoveryCodesError::IdempotencyMismatch),
            Earlier::Outcome(Outcome::RecoveryCodes { recovery_codes }) => Ok(Some(recovery_codes)),
            Earlier::Outcome(_) | Earlier::None => Ok(None),
        }
    }
}
