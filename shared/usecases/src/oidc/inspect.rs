//! What a token is worth right now: claims about its user, introspection, revocation. A token whose session or grant has
//! ended is worth nothing, even if it has not expired.

use std::sync::Arc;

use twostep_crypto::{
    KeyRing,
    access_token::{Claims, Issuer},
    id_token::UserClaims,
    refresh_token::RefreshToken,
};
use twostep_domain::{
    account::User,
    client::{Client, ClientKind},
    ids::{GrantId, UserId},
    oidc::{Grant, Scope},
    time::Clock,
};
use twostep_runtime::{
    config::ConfigError,
    secrets::{Keys, Secrets},
};
use twostep_stores::{ClientGrantStore, SessionStore, Tables, UserStore};

use crate::outage::{Outage, from_outage};

pub struct InspectTokens {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    users: UserStore,
    sessions: SessionStore,
    grants: ClientGrantStore,
}

#[derive(Debug, thiserror::Error)]
pub enum UserInfoError {
    /// Not an access token of this service, or what it belongs to has ended.
    #[error("the access token is not valid")]
    InvalidToken,
    /// The token lacks the scope `openid`.
    #[error("the scope is not sufficient")]
    InsufficientScope,
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(UserInfoError);

/// A token that is worth something.
pub enum ActiveToken {
    Access(Box<Claims>),
    Refresh(Box<Grant>),
}

impl InspectTokens {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            users: tables.users()?,
            sessions: tables.sessions()?,
            grants: tables.client_grants()?,
        })
    }

    /// The claims that the token's scopes allow.
    ///
    /// # Errors
    /// [`UserInfoError`]
    pub async fn user_info(&self, issuer: &Issuer, token: &str) -> Result<(UserId, UserClaims), UserInfoError> {
        let ring: Arc<KeyRing> = self.keys.get().await?;
        let claims = issuer.check(&ring, token, self.clock.now()).map_err(|_| UserInfoError::InvalidToken)?;
        if !claims.scope.contains(Scope::Openid) {
            return Err(UserInfoError::InsufficientScope);
        }
        let user = self.owner(&claims).await?.ok_or(UserInfoError::InvalidToken)?;
        let about = UserClaims::of(&user, &claims.scope);
        Ok((user.id, about))
    }

    /// What `token` is worth to `client`: a server may ask about every access token, a website only about its own.
    ///
    /// # Errors
    /// [`Outage`]
    pub async fn introspect(
        &self,
        issuer: &Issuer,
        client: &Client,
        token: &str,
    ) -> Result<Option<ActiveToken>, Outage> {
        let (ring, now) = (self.keys.get().await?, self.clock.now());
        if let Ok(token) = RefreshToken::parse(token) {
            let grant = self.own_grant(client, &token).await?;
            let is_present = |grant: &Grant| grant.refresh_token_hash == token.secret_hash();
            let Some(grant) = grant.filter(is_present) else { return Ok(None) };
            let (parent, user) = tokio::try_join!(self.sessions.find(&grant.parent), self.users.find(&grant.user_id))?;
            let is_live = user.is_some_and(|user| grant.is_live(&user, parent.as_ref(), now));
            return Ok(is_live.then(|| ActiveToken::Refresh(Box::new(grant))));
        }
        let Ok(claims) = issuer.check(&ring, token, now) else { return Ok(None) };
        let may_ask = client.kind == ClientKind::Server || claims.client_id.as_ref() == Some(&client.id);
        if !may_ask || self.owner(&claims).await?.is_none() {
            return Ok(None);
        }
        Ok(Some(ActiveToken::Access(Box::new(claims))))
    }

    /// Ends the grant that `token` belongs to (RFC 7009). A token that is not the client's is left alone.
    ///
    /// # Errors
    /// [`Outage`]
    pub async fn revoke(&self, issuer: &Issuer, client: &Client, token: &str) -> Result<(), Outage> {
        let grant = if let Ok(token) = RefreshToken::parse(token) {
            self.own_grant(client, &token).await?.map(|grant| grant.id)
        } else {
            let ring = self.keys.get().await?;
            let claims = issuer.check(&ring, token, self.clock.now()).ok();
            claims.filter(|claims| claims.client_id.as_ref() == Some(&client.id)).and_then(|claims| claims.grant_id)
        };
        if let Some(grant) = grant {
            self.grants.end(&grant).await?;
        }
        Ok(())
    }

    async fn own_grant(&self, client: &Client, token: &RefreshToken) -> Result<Option<Grant>, Outage> {
        let found = self.grants.find(&GrantId::of_family(&token.session_id())).await?;
        Ok(found.filter(|grant| grant.client_id == client.id && grant.scopes.contains(Scope::OfflineAccess)))
    }

    /// The user of an access token, if what the token belongs to is live.
    async fn owner(&self, claims: &Claims) -> Result<Option<User>, Outage> {
        let grant = async {
            match &claims.grant_id {
                Some(id) => self.grants.find(id).await,
                None => Ok(None),
            }
        };
        let (user, session, grant) =
            tokio::try_join!(self.users.find(&claims.sub), self.sessions.find(&claims.sid), grant)?;
        let now = self.clock.now();
        Ok(user.filter(|user| match (&claims.client_id, &grant) {
            (Some(client), Some(grant)) => grant.client_id == *client && grant.is_live(user, session.as_ref(), now),
            (None, None) => session.is_some_and(|session| session.user_id == user.id && session.outlives(user)),
            _ => false,
        }))
    }
}
