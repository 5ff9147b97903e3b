//! Give a client its tokens: for a code, then for each refresh token.

use std::sync::Arc;

use twostep_crypto::{
    KeyRing,
    access_token::Issuer,
    authorization_code,
    id_token::{self, UserClaims},
    opaque_token::OpaqueToken,
    pkce,
    refresh_token::RefreshToken,
};
use twostep_domain::{
    account::{AccountSnapshot, User},
    client::Client,
    ids::GrantId,
    oidc::{AuthorizationCode, Grant, Scope, Scopes},
    time::{Clock, Timestamp},
};
use twostep_runtime::{
    config::ConfigError,
    entropy,
    metrics::{Metric, Name},
    secrets::{Keys, Secrets},
};
use twostep_stores::{
    CachedSettings, ClientGrantStore, SessionStore, Tables, UserStore,
    client_grants::{Exchange, GrantRotation},
};

use crate::{
    outage::{Outage, from_outage},
    warm_up,
};

pub struct IssueTokens {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    users: UserStore,
    sessions: SessionStore,
    grants: ClientGrantStore,
    settings: Arc<CachedSettings>,
}

pub struct ClientTokens {
    pub access_token: String,
    pub id_token: String,
    /// Only with the scope `offline_access`.
    pub refresh_token: Option<RefreshToken>,
    pub scopes: Scopes,
}

#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The code or refresh token is not valid for this client, or what it belongs to has ended.
    #[error("the grant is not valid")]
    InvalidGrant,
    /// More scopes than the grant has.
    #[error("the scope exceeds the grant")]
    InvalidScope,
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(IssueError);

impl IssueTokens {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            users: tables.users()?,
            sessions: tables.sessions()?,
            grants: tables.client_grants()?,
            settings: tables.settings()?,
        })
    }

    pub async fn warm_up(&self) {
        warm_up::settings(&self.settings).await;
    }

    /// Exchanges a code. It works once; a second use ends what the first gave (RFC 6749 §4.1.2).
    ///
    /// # Errors
    /// [`IssueError::InvalidGrant`]
    pub async fn exchange(
        &self,
        issuer: &Issuer,
        client: &Client,
        code: &OpaqueToken,
        redirect_uri: &str,
        verifier: &str,
    ) -> Result<ClientTokens, IssueError> {
        let (ring, now) = (self.keys.get().await?, self.clock.now());
        let found = self.grants.find_code(&authorization_code::item_id(code)).await?;
        let code = found.filter(|code| code.client_id == client.id).ok_or(IssueError::InvalidGrant)?;
        if let Some(grant) = &code.grant {
            return self.code_was_used(grant).await;
        }
        let is_theirs = code.redirect_uri == redirect_uri && pkce::matches(&code.code_challenge, verifier);
        if !is_theirs || now >= code.expires_at {
            return Err(IssueError::InvalidGrant);
        }
        let user = self.users.find(&code.subject).await?.ok_or(IssueError::InvalidGrant)?;
        let token = RefreshToken::random(&mut entropy::system());
        let grant = Grant::of_code(&code, GrantId::of_family(&token.session_id()), token.secret_hash(), now);
        let unchanged = self.users.unchanged(&AccountSnapshot { epoch: code.epoch, ..user.snapshot() });
        match self.grants.exchange(&code, &grant, unchanged, now).await? {
            Exchange::Done => {
                let AuthorizationCode { nonce, scopes, .. } = code;
                Ok(Self::tokens(issuer, &ring, &grant, token, &user, scopes, nonce.as_deref(), now))
            }
            Exchange::Used(grant) => self.code_was_used(&grant).await,
            Exchange::Refused => Err(IssueError::InvalidGrant),
        }
    }

    /// Replaces a refresh token by its successor. An old one ends its family (RFC 9700 §4.14.2).
    ///
    /// # Errors
    /// [`IssueError`]
    pub async fn refresh(
        &self,
        issuer: &Issuer,
        client: &Client,
        token: &RefreshToken,
        scopes: Option<Scopes>,
    ) -> Result<ClientTokens, IssueError> {
        let (ring, now) = (self.keys.get().await?, self.clock.now());
        let found = self.grants.find(&GrantId::of_family(&token.session_id())).await?;
        let grant = found.filter(|grant| grant.client_id == client.id).ok_or(IssueError::InvalidGrant)?;
        let (parent, user, settings) =
            tokio::try_join!(self.sessions.find(&grant.parent), self.users.find(&grant.user_id), self.settings.get())?;
        let is_live = |user: &User| {
            grant.scopes.contains(Scope::OfflineAccess)
                && grant.is_live(user, parent.as_ref(), now)
                && parent.as_ref().is_some_and(|parent| parent.may_be_refreshed(&settings, user))
        };
        let Some(user) = user.filter(is_live) else {
            self.grants.end(&grant.id).await?;
            return Err(IssueError::InvalidGrant);
        };
        let scopes = scopes.unwrap_or_else(|| grant.scopes.clone());
        if !scopes.is_within(&grant.scopes) {
            return Err(IssueError::InvalidScope);
        }
        // The rotation comes last, so that a client that is told to try again has a token that was never used.
        let next = token.successor(&mut entropy::system());
        match self.grants.rotate(&grant.id, token, &next, now).await? {
            GrantRotation::Rotated => Ok(Self::tokens(issuer, &ring, &grant, next, &user, scopes, None, now)),
            GrantRotation::Unknown => Err(IssueError::InvalidGrant),
            GrantRotation::Reused => {
                Metric::count(Name::RefreshTokensReused).emit(now);
                tracing::warn!(
                    client = client.id.as_str(),
                    "a client's refresh token was reused; its family has ended"
                );
                self.grants.end(&grant.id).await?;
                Err(IssueError::InvalidGrant)
            }
        }
    }

    async fn code_was_used(&self, grant: &GrantId) -> Result<ClientTokens, IssueError> {
        tracing::warn!("an authorization code was used twice; its grant has ended");
        self.grants.end(grant).await?;
        Err(IssueError::InvalidGrant)
    }

    #[expect(clippy::too_many_arguments, reason = "everything that tokens are made of")]
    fn tokens(
        issuer: &Issuer,
        ring: &KeyRing,
        grant: &Grant,
        refresh_token: RefreshToken,
        user: &User,
        scopes: Scopes,
        nonce: Option<&str>,
        now: Timestamp,
    ) -> ClientTokens {
        let access_token = issuer.issue_for_client(ring, grant, scopes.clone(), now, &mut entropy::system());
        let claims = UserClaims::of(user, &scopes);
        let id_token = id_token::issue(ring, &issuer.issuer, grant, claims, nonce, &access_token, now);
        let refresh_token = Some(refresh_token).filter(|_| grant.scopes.contains(Scope::OfflineAccess));
        ClientTokens { access_token, id_token, refresh_token, scopes }
    }
}
