//! Who may operate the service: the admin key, or an admin with a session of two steps.

use std::{sync::Arc, time::Duration};

use twostep_crypto::access_token::{Claims, Issuer};
use twostep_domain::{
    account::{Operator, Role},
    time::Clock,
};
use twostep_runtime::{
    config::ConfigError,
    metrics::{Metric, Name},
    secrets::{Keys, Secrets},
};
use twostep_stores::{SessionStore, Tables, UserStore};

use super::{
    key::{AdminKey, AdminKeyError},
    trail::Trail,
};
use crate::{
    access::{AccessError, own_claims},
    caller::Caller,
    outage::{Outage, from_outage},
};

pub struct Operators {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    key: AdminKey,
    users: UserStore,
    sessions: SessionStore,
    pub trail: Trail,
}

/// What an operator wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    Look,
    /// Needs a sign-in of the last hour.
    Change,
}

#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error("the admin key is wrong")]
    InvalidKey,
    /// Not a valid access token, or its account or session is gone.
    #[error("the access token is not valid")]
    InvalidToken,
    #[error("the user is not an admin")]
    NotAnAdmin,
    /// The session took one step only, or it is too old for a change.
    #[error("a recent sign-in with two steps is required")]
    ReauthRequired,
    #[error("too many requests")]
    TooManyRequests { wait: Duration },
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(OperatorError);

impl From<AdminKeyError> for OperatorError {
    fn from(error: AdminKeyError) -> Self {
        match error {
            AdminKeyError::InvalidKey => Self::InvalidKey,
            AdminKeyError::TooManyRequests { wait } => Self::TooManyRequests { wait },
            AdminKeyError::Outage(outage) => Self::Outage(outage),
        }
    }
}

impl From<AccessError> for OperatorError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::InvalidToken => Self::InvalidToken,
            AccessError::ReauthRequired => Self::ReauthRequired,
            AccessError::Outage(outage) => Self::Outage(outage),
        }
    }
}

impl Operators {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            key: AdminKey::open(tables, secrets)?,
            users: tables.users()?,
            sessions: tables.sessions()?,
            trail: Trail::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        self.key.warm_up().await;
    }

    /// # Errors
    /// [`OperatorError`]
    pub async fn authorise(
        &self,
        caller: &Caller,
        issuer: &Issuer,
        token: &str,
        permission: Permission,
    ) -> Result<Operator, OperatorError> {
        if is_access_token(token) {
            let claims = own_claims(&*self.keys.get().await?, issuer, token, self.clock.now())?;
            return self.authorise_admin(&claims, permission).await;
        }
        let hint = self.key.authorise(caller, token).await?;
        if permission == Permission::Change {
            Metric::count(Name::AdminKeyUsed).emit(self.clock.now());
        }
        Ok(Operator::AdminKey { hint })
    }

    async fn authorise_admin(&self, claims: &Claims, permission: Permission) -> Result<Operator, OperatorError> {
        let (user, session) = tokio::try_join!(self.users.find(&claims.sub), self.sessions.find(&claims.sid))?;
        let now = self.clock.now();
        let (Some(user), Some(session)) = (user, session) else { return Err(OperatorError::InvalidToken) };
        if !session.is_live(&user, now) {
            return Err(OperatorError::InvalidToken);
        }
        if user.role != Role::Admin {
            return Err(OperatorError::NotAnAdmin);
        }
        let is_enough = match permission {
            Permission::Look => session.took_two_steps(),
            Permission::Change => session.may_administer(claims.auth_time, now),
        };
        if !is_enough {
            return Err(OperatorError::ReauthRequired);
        }
        Ok(Operator::User { id: user.id })
    }
}

/// Access tokens have three parts (RFC 7515 §7.1); an admin key has no dots.
fn is_access_token(token: &str) -> bool {
    token.split('.').count() == 3
}
