//! Make new recovery codes.

use twostep_crypto::{access_token::Claims, recovery_code};
use twostep_domain::challenge::Notice;
use twostep_runtime::entropy;
use twostep_stores::users::ChangeError;

use crate::{
    access::{Access, AccessError},
    caller::Caller,
};

#[derive(Debug, thiserror::Error)]
pub enum RecoveryCodesError {
    #[error("two-step is off")]
    TwoStepOff,
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
    ) -> Result<Vec<String>, RecoveryCodesError> {
        let (account, user) = self.open_for_change(claims).await?;
        if !user.two_step {
            return Err(RecoveryCodesError::TwoStepOff);
        }
        let (codes, hashes) = recovery_code::fresh_set(&account.ring.pepper, &user.id, &mut entropy::system());
        let notice = self.notices.to_user(&account.ring, &user, Notice::RecoveryCodesReplaced, caller.language);
        let writes = std::iter::once(self.users.set_recovery_codes(&user.snapshot(), &hashes)).chain(notice);
        match self.users.commit(writes.collect()).await {
            Ok(()) => Ok(codes),
            Err(ChangeError::Outdated) => Err(RecoveryCodesError::TwoStepOff),
            Err(error) => Err(AccessError::Outage(error.into()).into()),
        }
    }
}
