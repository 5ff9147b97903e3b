//! List remembered devices, and forget one.

use twostep_crypto::access_token::Claims;
use twostep_domain::account::{Device, Event};
use twostep_stores::users::ChangeError;

use crate::{
    access::{Access, AccessError},
    caller::Caller,
};

#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("there is no such device")]
    UnknownDevice,
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl Access {
    /// The devices that are still remembered, by id.
    ///
    /// # Errors
    /// [`AccessError::InvalidToken`] if the account is gone.
    pub async fn devices(&self, claims: &Claims) -> Result<Vec<(String, Device)>, AccessError> {
        let (user, now) = (self.user(claims).await?, self.clock.now());
        Ok(user.devices.into_iter().filter(|(_, device)| now < device.expires_at).collect())
    }

    /// # Errors
    /// [`DeviceError`]
    pub async fn forget_device(&self, caller: &Caller, claims: &Claims, id: &str) -> Result<(), DeviceError> {
        let (_, user) = self.open_live(claims).await?;
        if !user.devices.contains_key(id) {
            return Err(DeviceError::UnknownDevice);
        }
        let entry = self.audit.write(&self.audit.of_claims(Event::DeviceRemoved, claims, caller));
        let writes = vec![self.users.forget_device(&claims.sub, id), entry];
        self.users.commit(writes).await.map_err(|error| match error {
            ChangeError::Outdated => DeviceError::UnknownDevice,
            error => AccessError::Outage(error.into()).into(),
        })
    }
}
