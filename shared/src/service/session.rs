//! Staying signed in, and signing out.

use lambda_http::Request;
use serde::Deserialize;

use super::Service;
use crate::{
    entropy,
    http::{self, Carrier, Problem, SessionBody},
    sessions::{Method, RefreshToken},
    settings::Settings,
    users::User,
};

/// A session of a password alone does not go on once its account asks for two steps. A phone alone is a way in of its
/// own.
fn is_strong_enough(settings: &Settings, user: &User, amr: &[Method]) -> bool {
    let two_steps = settings.two_step_enabled && user.two_step;
    !(two_steps && amr == [Method::Pwd])
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshBody {
    refresh_token: String,
}

impl RefreshBody {
    /// # Errors
    /// [`Problem::InvalidRequest`]. A cookie that is not there is a token that is not valid.
    pub fn read(request: &Request, carrier: Carrier) -> Result<Self, Problem> {
        let Carrier::Cookies(jar) = carrier else { return http::body(request) };
        http::no_body(request)?;
        Ok(Self { refresh_token: jar.refresh_token(request).unwrap_or_default().to_owned() })
    }
}

impl Service {
    /// # Errors
    /// [`Problem::InvalidRefreshToken`].
    pub async fn refresh(&self, request: &Request, body: &RefreshBody) -> Result<SessionBody, Problem> {
        let token = RefreshToken::parse(&body.refresh_token)?;
        let ring = self.keys.get().await?;
        let id = token.session_id();
        let (session, settings) = tokio::try_join!(self.sessions.find(&id), self.settings.get())?;
        let session = session.ok_or(Problem::InvalidRefreshToken)?;
        let user = self.users.find(&session.user_id).await?;
        let user = user.filter(|user| session.outlives(user) && is_strong_enough(&settings, user, &session.amr));
        let Some(user) = user else {
            self.sessions.log_out(&token).await?;
            return Err(Problem::InvalidRefreshToken);
        };
        // Last, so that a caller who is told to try again still has a token that was never used.
        let next = token.successor(&mut entropy::system());
        let session = self.sessions.rotate(&token, &next, self.now()).await?;
        Ok(self.session_body(request, &ring, &session, &next, user))
    }

    /// Ends the session of a refresh token, if it is one.
    ///
    /// # Errors
    /// [`Problem::Unavailable`] only: there is nothing a caller could do wrong.
    pub async fn log_out(&self, body: &RefreshBody) -> Result<(), Problem> {
        if let Ok(token) = RefreshToken::parse(&body.refresh_token) {
            self.sessions.log_out(&token).await?;
        }
        Ok(())
    }
}
