//! Sign out at a client's request (OpenID Connect RP-Initiated Logout 1.0).

use std::sync::Arc;

use twostep_crypto::{id_token, refresh_token::RefreshToken};
use twostep_domain::{
    account::Event,
    ids::{ClientId, SessionId},
    oidc::Parameters,
    time::Clock,
};
use twostep_runtime::{
    config::ConfigError,
    secrets::{Keys, Secrets},
};
use twostep_stores::{CachedClients, SessionStore, Tables};

use crate::{audit::Audit, outage::Outage};

pub struct EndClientSession {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    clients: CachedClients,
    sessions: SessionStore,
    audit: Audit,
}

/// How a sign-out ended.
pub struct LoggedOut {
    /// Whether the browser's own session has ended, so that its cookie is of no more use.
    pub clears_cookie: bool,
    pub destination: Destination,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The request names no address.
    Home,
    Client {
        uri: String,
        state: Option<String>,
    },
    /// The client may not return to the address that it named.
    Unregistered,
}

impl EndClientSession {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            clients: tables.cached_clients()?,
            sessions: tables.sessions()?,
            audit: Audit::open(tables)?,
        })
    }

    /// Ends the session that the hint names. Ends the browser's session too, unless the hint names another user.
    ///
    /// # Errors
    /// [`Outage`]
    pub async fn end(
        &self,
        issuer: &str,
        parameters: &Parameters,
        token: Option<&RefreshToken>,
    ) -> Result<LoggedOut, Outage> {
        let ring = self.keys.get().await?;
        let one = |name: &str| parameters.one(name).ok().flatten();
        let hint = one("id_token_hint").and_then(|hint| id_token::read_hint(&ring, issuer, hint, self.clock.now()));
        if let Some(hint) = &hint {
            self.sign_out(&hint.session).await?;
        }
        let mut clears_cookie = false;
        if let Some(id) = token.map(RefreshToken::session_id) {
            let session = self.sessions.find(&id).await?;
            let is_another_user =
                |hint: &id_token::Hint| session.as_ref().is_some_and(|session| session.user_id != hint.user_id);
            clears_cookie = !hint.as_ref().is_some_and(is_another_user);
            if clears_cookie {
                self.sign_out(&id).await?;
            }
        }
        let client = match (one("client_id").map(ClientId::from_stored), hint.map(|hint| hint.client_id)) {
            // A client that claims another one's hint has no address.
            (Some(named), Some(hinted)) if named != hinted => None,
            (named, hinted) => named.or(hinted),
        };
        let destination = self.destination(client, one("post_logout_redirect_uri"), one("state")).await?;
        Ok(LoggedOut { clears_cookie, destination })
    }

    async fn sign_out(&self, id: &SessionId) -> Result<(), Outage> {
        if let Some(session) = self.sessions.end(id).await? {
            self.audit.note(&self.audit.of_session(Event::SignedOut, &session)).await;
        }
        Ok(())
    }

    async fn destination(
        &self,
        client: Option<ClientId>,
        uri: Option<&str>,
        state: Option<&str>,
    ) -> Result<Destination, Outage> {
        let Some(uri) = uri else { return Ok(Destination::Home) };
        let Some(client) = client else { return Ok(Destination::Unregistered) };
        let client = self.clients.find(&client, |client| client.allows_redirect_after_logout(uri)).await?;
        Ok(match client {
            Some(_) => Destination::Client { uri: uri.to_owned(), state: state.map(str::to_owned) },
            None => Destination::Unregistered,
        })
    }
}
