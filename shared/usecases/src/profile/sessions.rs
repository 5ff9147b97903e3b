//! List the sessions of an account, and end them.

use twostep_crypto::access_token::Claims;
use twostep_domain::{
    account::Event,
    ids::SessionId,
    session::{self, ListedSession},
};

use crate::{
    access::{Access, AccessError},
    caller::Caller,
    outage::Outage,
};

#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("there is no such session")]
    UnknownSession,
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl Access {
    /// The sessions that go on, newest first.
    ///
    /// # Errors
    /// [`AccessError`]
    pub async fn sessions(&self, claims: &Claims) -> Result<Vec<ListedSession>, AccessError> {
        let (account, user) = self.open_live(claims).await?;
        let (sessions, now) = (self.sessions.of_user(&user.id).await?, self.clock.now());
        Ok(session::live(sessions, &account.settings, &user, now))
    }

    /// # Errors
    /// [`SessionError`]
    pub async fn end_session(&self, caller: &Caller, claims: &Claims, id: &SessionId) -> Result<(), SessionError> {
        let (_, user) = self.open_live(claims).await?;
        if !self.sessions.end_of(&user.id, id).await.map_err(AccessError::from)? {
            return Err(SessionError::UnknownSession);
        }
        self.audit.note(&self.audit.of_claims(Event::SessionEnded, claims, caller)).await;
        Ok(())
    }

    /// Ends all sessions but the one that asks. Remembered devices stay.
    ///
    /// # Errors
    /// [`AccessError`]
    pub async fn end_other_sessions(&self, caller: &Caller, claims: &Claims) -> Result<(), AccessError> {
        let (_, user) = self.open_live(claims).await?;
        let mut writes = self.users.end_other_sessions(&user, &claims.sid);
        writes.push(self.audit.write(&self.audit.of_claims(Event::OtherSessionsEnded, claims, caller)));
        self.users.commit(writes).await.map_err(Outage::from)?;
        self.forget_sessions(&user.id, Some(&claims.sid)).await;
        Ok(())
    }
}
