//! Make new recovery codes.

use twostep_crypto::{access_token::Claims, recovery_code};
use twostep_runtime::entropy;
use twostep_stores::users::ChangeError;

use crate::access::{Access, AccessError};

#[derive(Debug, thiserror::Error)]
pub enum RecoveryCodesError {
    #[error("two-step is off")]
    TwoStepOff,
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl Access {
    /// Makes ten new recovery codes. The old ones stop working.
    ///
    /// # Errors
    /// [`RecoveryCodesError`]
    pub async fn new_recovery_codes(&self, claims: &Claims) -> Result<Vec<String>, RecoveryCodesError> {
        let (account, user) = self.open_for_change(claims).await?;
        if !user.two_step {
            return Err(RecoveryCodesError::TwoStepOff);
        }
        let (codes, hashes) = recovery_code::fresh_set(&account.ring.pepper, &user.id, &mut entropy::system());
        match self.users.set_recovery_codes(&user.snapshot(), &hashes).await {
            Ok(()) => Ok(codes),
            Err(ChangeError::Outdated) => Err(RecoveryCodesError::TwoStepOff),
            Err(error) => Err(AccessError::Outage(error.into()).into()),
        }
    }
}
