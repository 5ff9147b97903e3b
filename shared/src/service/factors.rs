//! What stands in for the second step: recovery codes and remembered devices.

use std::sync::Arc;

use serde::Serialize;

use super::Service;
use crate::{
    access_token::Claims,
    entropy,
    http::Problem,
    recovery,
    users::{ChangeError, Device},
};

#[derive(Serialize)]
pub struct RecoveryCodesBody {
    recovery_codes: Vec<String>,
}

#[derive(Serialize)]
pub struct DeviceBody {
    id: String,
    name: String,
    created_at: String,
    last_used_at: String,
    expires_at: String,
}

impl DeviceBody {
    fn new(id: String, device: Device) -> Self {
        Self {
            id,
            name: device.name,
            created_at: device.created_at.rfc3339(),
            last_used_at: device.last_used_at.rfc3339(),
            expires_at: device.expires_at.rfc3339(),
        }
    }
}

impl Service {
    /// Makes ten new recovery codes; the old ones end.
    ///
    /// # Errors
    /// [`Problem`] as the contract says for `POST /profile/recovery-codes`.
    pub async fn new_recovery_codes(&self, claims: &Claims) -> Result<RecoveryCodesBody, Problem> {
        let account = self.account(claims).await?;
        let ring = Arc::clone(&account.ring);
        let user = self.require_fresh(claims, account)?;
        if !user.two_step {
            return Err(Problem::TwoStepOff);
        }
        let (codes, hashes) = recovery::fresh_set(&ring.pepper, &user.id, &mut entropy::system());
        match self.users.set_recovery_codes(&user.holder(), &hashes).await {
            Ok(()) => Ok(RecoveryCodesBody { recovery_codes: codes }),
            Err(ChangeError::Outdated) => Err(Problem::TwoStepOff),
            Err(error) => Err(error.into()),
        }
    }

    /// # Errors
    /// [`Problem::InvalidToken`] when the account is gone.
    pub async fn devices(&self, claims: &Claims) -> Result<Vec<DeviceBody>, Problem> {
        let user = self.users.find(&claims.sub).await?.ok_or(Problem::InvalidToken)?;
        let now = self.now();
        let live = user.devices.into_iter().filter(|(_, device)| now < device.expires_at);
        Ok(live.map(|(id, device)| DeviceBody::new(id, device)).collect())
    }

    /// # Errors
    /// [`Problem::UnknownDevice`].
    pub async fn forget_device(&self, claims: &Claims, id: &str) -> Result<(), Problem> {
        self.users.forget_device(&claims.sub, id).await.map_err(|error| match error {
            ChangeError::Outdated => Problem::UnknownDevice,
            error => error.into(),
        })
    }
}
