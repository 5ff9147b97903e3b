//! Stay signed in, and sign out.

use std::sync::Arc;

use twostep_crypto::{access_token::Issuer, refresh_token::RefreshToken};
use twostep_domain::{account::Event, time::Clock};
use twostep_runtime::{
    config::ConfigError,
    entropy,
    metrics::{Metric, Name},
    secrets::{Keys, Secrets},
};
use twostep_stores::{CachedSettings, SessionStore, Tables, UserStore, sessions::Rotation};

use crate::{
    audit::Audit,
    outage::{Outage, from_outage},
    signed_in::{self, SignedIn},
    warm_up,
};

pub struct KeepSession {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    users: UserStore,
    sessions: SessionStore,
    settings: Arc<CachedSettings>,
    audit: Audit,
}

#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// Never issued, expired, or its session has ended.
    #[error("the refresh token is not valid")]
    Invalid,
    /// It was used before. Its family has ended.
    #[error("the refresh token was used before")]
    Reused,
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(RefreshError);

impl KeepSession {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            users: tables.users()?,
            sessions: tables.sessions()?,
            settings: tables.settings()?,
            audit: Audit::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        tokio::join!(warm_up::secret(&self.keys), warm_up::settings(&self.settings));
    }

    /// Replaces a refresh token by its successor. If the response with the successor was lost, the same token gives another
    /// one for half a minute.
    ///
    /// # Errors
    /// [`RefreshError`]
    pub async fn refresh(&self, issuer: &Issuer, token: &RefreshToken) -> Result<SignedIn, RefreshError> {
        let ring = self.keys.get().await?;
        let id = token.session_id();
        let (session, settings) = tokio::try_join!(self.sessions.find(&id), self.settings.get())?;
        let session = session.ok_or(RefreshError::Invalid)?;
        let user = self.users.find(&session.user_id).await?;
        let Some(user) = user.filter(|user| session.may_be_refreshed(&settings, user)) else {
            self.sessions.end(&id).await?;
            return Err(RefreshError::Invalid);
        };
        // The rotation comes last, so that a caller who is told to try again has a token that was never used.
        let (next, now) = (token.successor(&mut entropy::system()), self.clock.now());
        match self.sessions.rotate(token, &next, now).await? {
            Rotation::Rotated(session) => {
                signed_in::record_use(&self.users, &user, now).await;
                Ok(SignedIn::new(issuer, &ring, &session, next, user, now))
            }
            Rotation::Unknown => Err(RefreshError::Invalid),
            Rotation::Reused(session) => {
                self.audit.note(&self.audit.of_session(Event::RefreshTokenReused, &session)).await;
                Metric::count(Name::RefreshTokensReused).emit(now);
                tracing::warn!(session = session.id.as_str(), "a refresh token was reused; its family has ended");
                self.sessions.end(&session.id).await?;
                Err(RefreshError::Reused)
            }
        }
    }

    /// Ends the session of a refresh token, which may be an older one of its family.
    ///
    /// # Errors
    /// [`Outage`]
    pub async fn sign_out(&self, token: &RefreshToken) -> Result<(), Outage> {
        if let Some(session) = self.sessions.end(&token.session_id()).await? {
            self.audit.note(&self.audit.of_session(Event::SignedOut, &session)).await;
        }
        Ok(())
    }
}
