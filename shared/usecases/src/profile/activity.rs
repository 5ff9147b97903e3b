//! What happened to an account, page by page.

use twostep_crypto::access_token::Claims;
use twostep_domain::account::Activity;

use crate::{
    access::{Access, AccessError},
    audit::Page,
};

impl Access {
    /// The entries that are older than the one that `after` names, newest first.
    ///
    /// # Errors
    /// [`AccessError`]
    pub async fn activity(&self, claims: &Claims, after: Option<&str>) -> Result<Page<Activity>, AccessError> {
        let (_, user) = self.open_live(claims).await?;
        Ok(self.audit.page(&user.id, after).await?)
    }
}
