//! Sign a user in to a client. A browser whose session satisfies the request goes back with a code at once. Others go
//! through the pages, with the request sealed in the address; nothing is stored before someone signs in.

use std::sync::Arc;

use twostep_crypto::{
    KeyRing, authorization_code, constant_time, id_token, opaque_token::OpaqueToken, refresh_token::RefreshToken,
};
use twostep_domain::{
    account::User,
    challenge::Sealed,
    ids::ClientId,
    oidc::{
        AuthorizationCode, AuthorizationError, AuthorizationRequest, Missing, Parameters, PendingRequest,
        authorization_request::Prompt,
    },
    session::Session,
    settings::Settings,
    time::Clock,
};
use twostep_runtime::{
    config::ConfigError,
    entropy,
    secrets::{Keys, Secrets},
};
use twostep_stores::{CachedClients, CachedSettings, ClientGrantStore, SessionStore, Tables, UserStore};

use crate::{
    outage::{Outage, from_outage},
    warm_up,
};

/// What a pending request is sealed for.
const PLACE: &str = "authorization-request";

pub struct Authorize {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    clients: CachedClients,
    users: UserStore,
    sessions: SessionStore,
    grants: ClientGrantStore,
    settings: Arc<CachedSettings>,
}

/// Where the browser goes next.
pub enum NextStep {
    /// Back to the client, with a code or an error.
    Return(Return),
    /// To a page of this service.
    Ask(Ask),
}

pub struct Return {
    pub redirect_uri: String,
    pub state: Option<String>,
    pub result: Result<OpaqueToken, AuthorizationError>,
}

pub struct Ask {
    pub task: Task,
    /// The sealed request, with which the page comes back.
    pub pending: String,
    pub request: PendingRequest,
}

/// What the user has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    SignIn,
    /// Sign in once more.
    SignInAgain,
    /// Sign in with both steps.
    SignInWithTwoSteps,
    /// Turn two-step sign-in on in the profile.
    TurnTwoStepOn,
}

#[derive(Debug, thiserror::Error)]
pub enum AuthorizeError {
    /// No client with this id may return to this address, so nothing may go there.
    #[error("unknown client or redirect URI")]
    UnknownClient,
    /// Not a request that this service sealed, or its keys are gone.
    #[error("not a pending request")]
    UnknownRequest,
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(AuthorizeError);

impl Authorize {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            clients: tables.cached_clients()?,
            users: tables.users()?,
            sessions: tables.sessions()?,
            grants: tables.client_grants()?,
            settings: tables.settings()?,
        })
    }

    pub async fn warm_up(&self) {
        tokio::join!(warm_up::secret(&self.keys), warm_up::settings(&self.settings), warm_up::clients(&self.clients));
    }

    /// Takes a client's request at `issuer`. `token` is the refresh token of the browser's session, which stays as it is.
    ///
    /// # Errors
    /// [`AuthorizeError::UnknownClient`]; every other mistake goes back to the client.
    pub async fn begin(
        &self,
        issuer: &str,
        parameters: &Parameters,
        token: Option<&RefreshToken>,
    ) -> Result<NextStep, AuthorizeError> {
        let (Ok(Some(client_id)), Ok(Some(redirect_uri))) =
            (parameters.one("client_id"), parameters.one("redirect_uri"))
        else {
            return Err(AuthorizeError::UnknownClient);
        };
        let (client_id, redirect_uri) = (ClientId::from_stored(client_id), redirect_uri.to_owned());
        self.check_client(&client_id, &redirect_uri).await?;
        let request = match AuthorizationRequest::parse(parameters, client_id, redirect_uri.clone()) {
            Ok(request) => request,
            Err(error) => {
                let state = parameters.one("state").ok().flatten().map(str::to_owned);
                return Ok(NextStep::Return(Return { redirect_uri, state, result: Err(error) }));
            }
        };
        let (ring, session) = (self.keys.get().await?, self.open_session(token).await?);
        let id = session.as_ref().map(|open| open.session.id.clone());
        let now = self.clock.now();
        // A hint that isn't from here says nothing about anyone.
        let hint = parameters.one("id_token_hint").ok().flatten();
        let user = hint.and_then(|hint| id_token::read_hint(&ring, issuer, hint, now)).map(|hint| hint.user_id);
        let pending = PendingRequest { user, ..PendingRequest::new(request, parameters, id, now) };
        let sealed = ring.seal(PLACE, &pending, now, &mut entropy::system());
        self.next(pending, sealed, session).await
    }

    /// Takes a request back from the pages.
    ///
    /// # Errors
    /// [`AuthorizeError`]
    pub async fn resume(&self, sealed: &str, token: Option<&RefreshToken>) -> Result<NextStep, AuthorizeError> {
        let (ring, now): (Arc<KeyRing>, _) = (self.keys.get().await?, self.clock.now());
        let sealed = Sealed(sealed.to_owned());
        let pending: PendingRequest = ring.open(PLACE, &sealed, now).map_err(|_| AuthorizeError::UnknownRequest)?;
        self.check_client(&pending.request.client_id, &pending.request.redirect_uri).await?;
        if pending.has_expired(now) {
            return Ok(refuse(pending.request, AuthorizationError::InvalidRequest));
        }
        let session = self.open_session(token).await?;
        self.next(pending, sealed, session).await
    }

    async fn check_client(&self, id: &ClientId, redirect_uri: &str) -> Result<(), AuthorizeError> {
        let client = self.clients.find(id, |client| client.allows_redirect(redirect_uri)).await?;
        client.map(|_| ()).ok_or(AuthorizeError::UnknownClient)
    }

    async fn next(
        &self,
        pending: PendingRequest,
        sealed: Sealed,
        open: Option<OpenSession>,
    ) -> Result<NextStep, AuthorizeError> {
        let missing = open.as_ref().map(|open| pending.missing(&open.session));
        let task = match (missing, &open) {
            (Some(None), Some(open)) => return self.give_code(pending.request, open).await,
            _ if pending.request.prompt == Prompt::None => {
                return Ok(refuse(pending.request, AuthorizationError::LoginRequired));
            }
            // Another user has signed in, although the client asked for this one (Core §3.1.2.1, `id_token_hint`).
            (Some(Some(Missing::ExpectedUser)), Some(open)) if pending.session.as_ref() != Some(&open.session.id) => {
                return Ok(refuse(pending.request, AuthorizationError::LoginRequired));
            }
            (Some(Some(Missing::ExpectedUser | Missing::FreshSignIn)), _) => Task::SignInAgain,
            (Some(Some(Missing::SecondStep)), Some(open)) if !open.settings.two_step_enabled => {
                return Ok(refuse(pending.request, AuthorizationError::UnmetAuthenticationRequirements));
            }
            (Some(Some(Missing::SecondStep)), Some(OpenSession { user, .. }))
                if user.password.is_none() || !user.two_step =>
            {
                Task::TurnTwoStepOn
            }
            (Some(Some(Missing::SecondStep)), _) => Task::SignInWithTwoSteps,
            _ => Task::SignIn,
        };
        Ok(NextStep::Ask(Ask { task, pending: sealed.0, request: pending }))
    }

    async fn give_code(&self, request: AuthorizationRequest, open: &OpenSession) -> Result<NextStep, AuthorizeError> {
        let token = OpaqueToken::random(&mut entropy::system());
        let id = authorization_code::item_id(&token);
        let code = AuthorizationCode::new(id, &request, &open.user, &open.session, self.clock.now());
        self.grants.save_code(&code).await?;
        let AuthorizationRequest { redirect_uri, state, .. } = request;
        Ok(NextStep::Return(Return { redirect_uri, state, result: Ok(token) }))
    }

    /// The session of a refresh token, if it could be refreshed. It is not rotated, so that it does not race the pages.
    async fn open_session(&self, token: Option<&RefreshToken>) -> Result<Option<OpenSession>, AuthorizeError> {
        let Some(token) = token else { return Ok(None) };
        let id = token.session_id();
        let (session, settings) = tokio::try_join!(self.sessions.find(&id), self.settings.get())?;
        let (hash, now) = (token.secret_hash(), self.clock.now());
        // A page may be refreshing the session at this moment.
        let is_present = |session: &Session| {
            let is_known =
                constant_time::equal(&session.refresh_token_hash, &hash) || session.may_repeat_refresh(&hash, now);
            is_known && now < session.expires_at
        };
        let Some(session) = session.filter(is_present) else { return Ok(None) };
        let user = self.users.find(&session.user_id).await?;
        let user = user.filter(|user| session.may_be_refreshed(&settings, user));
        Ok(user.map(|user| OpenSession { session, user, settings }))
    }
}

struct OpenSession {
    session: Session,
    user: User,
    settings: Arc<Settings>,
}

fn refuse(request: AuthorizationRequest, error: AuthorizationError) -> NextStep {
    let AuthorizationRequest { redirect_uri, state, .. } = request;
    NextStep::Return(Return { redirect_uri, state, result: Err(error) })
}
