//! Access to an account: whose access token it is, and whether its session may change the account.

use std::sync::Arc;

use twostep_crypto::{
    KeyRing,
    access_token::{Claims, InvalidToken, Issuer},
};
use twostep_domain::{
    account::User,
    session::Session,
    settings::Settings,
    time::{Clock, Timestamp},
};
use twostep_runtime::{
    config::ConfigError,
    secrets::{Keys, Secrets},
};
use twostep_stores::{CachedSettings, SessionStore, SlidingWindowStore, Tables, UserStore};

use crate::{
    audit::Audit,
    messages::notice::Notices,
    outage::{Outage, from_outage},
    repeat::Repeats,
    warm_up,
};

pub struct Access {
    pub clock: Arc<dyn Clock>,
    pub keys: Arc<Keys>,
    pub users: UserStore,
    pub sessions: SessionStore,
    pub settings: Arc<CachedSettings>,
    pub windows: SlidingWindowStore,
    pub audit: Audit,
    pub repeats: Repeats,
    pub(crate) notices: Notices,
}

#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Not a valid access token, or its account or session is gone.
    #[error("the access token is not valid")]
    InvalidToken,
    /// The session is too old or has too few steps for this change.
    #[error("a fresh sign-in is required")]
    ReauthRequired,
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(AccessError);

/// An account with the session that wants to change it.
pub struct OpenAccount {
    pub ring: Arc<KeyRing>,
    pub settings: Arc<Settings>,
    user: Option<User>,
    session: Option<Session>,
}

impl Access {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            users: tables.users()?,
            sessions: tables.sessions()?,
            settings: tables.settings()?,
            windows: tables.sliding_windows()?,
            audit: Audit::open(tables)?,
            repeats: Repeats::open(tables)?,
            notices: Notices::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        tokio::join!(warm_up::secret(&self.keys), warm_up::settings(&self.settings));
    }

    /// The claims of a session's own token. A client's token tells who the user is; it opens no account.
    ///
    /// # Errors
    /// [`AccessError::InvalidToken`]
    pub async fn authenticate(&self, issuer: &Issuer, token: &str) -> Result<Claims, AccessError> {
        own_claims(&*self.keys.get().await?, issuer, token, self.clock.now())
    }

    /// # Errors
    /// [`AccessError::InvalidToken`] if the account is gone.
    pub async fn user(&self, claims: &Claims) -> Result<User, AccessError> {
        self.users.find(&claims.sub).await?.ok_or(AccessError::InvalidToken)
    }

    /// Reads everything that a change of the account needs, in one round trip.
    pub(crate) async fn open_account(&self, claims: &Claims) -> Result<OpenAccount, Outage> {
        let ring = self.keys.get().await?;
        let (settings, user, session) =
            tokio::try_join!(self.settings.get(), self.users.find(&claims.sub), self.sessions.find(&claims.sid))?;
        Ok(OpenAccount { ring, settings, user, session })
    }

    /// Opens the account for its own live session: the access token of one that has ended does not do.
    pub(crate) async fn open_live(&self, claims: &Claims) -> Result<(OpenAccount, User), AccessError> {
        let account = self.open_account(claims).await?;
        let user = account.live_user(&*self.clock)?.clone();
        Ok((account, user))
    }

    /// Opens the account for a change of what signs its user in, which needs a live session that is fresh and has taken
    /// every step that the account demands (NIST SP 800-63B-4 §4.1.2).
    pub(crate) async fn open_for_change(&self, claims: &Claims) -> Result<(OpenAccount, User), AccessError> {
        let account = self.open_account(claims).await?;
        let user = account.for_change(claims, &*self.clock)?;
        Ok((account, user))
    }
}

/// The claims of a session's own token.
pub(crate) fn own_claims(ring: &KeyRing, issuer: &Issuer, token: &str, now: Timestamp) -> Result<Claims, AccessError> {
    let claims = issuer.check(ring, token, now).map_err(|InvalidToken| AccessError::InvalidToken)?;
    if claims.client_id.is_some() { Err(AccessError::InvalidToken) } else { Ok(claims) }
}

impl OpenAccount {
    /// The user and the session, if both still exist.
    fn live(&self, clock: &dyn Clock) -> Result<(&User, &Session), AccessError> {
        let (Some(user), Some(session)) = (&self.user, &self.session) else { return Err(AccessError::InvalidToken) };
        // An access token outlives its session by minutes: enough to look at the profile, not to take the account over.
        if session.is_live(user, clock.now()) { Ok((user, session)) } else { Err(AccessError::InvalidToken) }
    }

    /// The user, if the session has not ended.
    pub(crate) fn live_user(&self, clock: &dyn Clock) -> Result<&User, AccessError> {
        self.live(clock).map(|(user, _)| user)
    }

    /// The user, if the session may change the account.
    pub(crate) fn for_change(&self, claims: &Claims, clock: &dyn Clock) -> Result<User, AccessError> {
        let (user, session) = self.live(clock)?;
        if session.may_change_account(claims.auth_time, &self.settings, user, clock.now()) {
            Ok(user.clone())
        } else {
            Err(AccessError::ReauthRequired)
        }
    }
}
