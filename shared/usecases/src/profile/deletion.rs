//! Take the data of an account, or delete the account.

use twostep_crypto::access_token::Claims;
use twostep_domain::{
    account::{Activity, Event, User},
    ids::{SessionId, UserId},
    session::{self, ListedSession},
    time::Timestamp,
};
use twostep_stores::users::ChangeError;

use crate::{
    access::{Access, AccessError},
    caller::Caller,
};

/// Everything that is held about an account. It has no secrets.
pub struct Export {
    pub at: Timestamp,
    pub user: User,
    pub sessions: Vec<ListedSession>,
    pub activity: Vec<Activity>,
}

#[derive(Debug, thiserror::Error)]
pub enum DeletionError {
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Without this account, no admin could act.
    #[error("the account is the last admin")]
    LastAdmin,
}

impl Access {
    /// # Errors
    /// [`AccessError`]
    pub async fn export(&self, caller: &Caller, claims: &Claims) -> Result<Export, AccessError> {
        /// A response of a function has at most 6 MB. An entry takes less than 400 bytes.
        const MOST_ENTRIES: usize = 10_000;
        const PAGE: u16 = 500;
        let (account, user) = self.open_for_change(claims).await?;
        self.audit.note(&self.audit.of_claims(Event::DataExported, claims, caller)).await;
        let now = self.clock.now();
        let sessions = session::live(self.sessions.of_user(&user.id).await?, &account.settings, &user, now);
        let mut activity: Vec<Activity> = Vec::new();
        while activity.len() < MOST_ENTRIES {
            let after = activity.last().map(|entry| entry.id.clone());
            let page = self.audit.store.page(&user.id, after.as_deref(), PAGE).await?;
            let is_last = page.len() < usize::from(PAGE);
            activity.extend(page);
            if is_last {
                break;
            }
        }
        activity.retain(|entry| entry.is_kept(now));
        Ok(Export { at: now, user, sessions, activity })
    }

    /// Deletes the account, unless it is the last admin. Its sessions and devices end with it, and its names are free at once. The audit trail stays for
    /// its time, under an id that belongs to no account any more.
    ///
    /// # Errors
    /// [`DeletionError`]
    pub async fn delete_account(&self, caller: &Caller, claims: &Claims) -> Result<(), DeletionError> {
        let (_, user) = self.open_for_change(claims).await?;
        let mut writes = self.users.delete(&user);
        writes.push(self.audit.write(&self.audit.of_claims(Event::AccountDeleted, claims, caller)));
        self.users.commit_with_role(&user, false, writes).await.map_err(|error| match error {
            ChangeError::LastAdmin => DeletionError::LastAdmin,
            error => AccessError::Outage(error.into()).into(),
        })?;
        // Without the account, no session can be used; this only tidies up.
        self.forget_sessions(&user.id, None).await;
        Ok(())
    }

    /// Deletes the sessions of a user but one. They have ended already.
    pub(crate) async fn forget_sessions(&self, user: &UserId, kept: Option<&SessionId>) {
        if let Err(error) = self.sessions.delete_ended(user, kept).await {
            tracing::warn!(%error, "ended sessions were not deleted");
        }
    }
}
