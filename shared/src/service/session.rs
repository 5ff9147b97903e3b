//! Staying signed in, and signing out.

use lambda_http::Request;
use serde::Deserialize;

use super::Service;
use crate::{
    entropy,
    http::{Problem, SessionBody},
    sessions::RefreshToken,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshBody {
    refresh_token: String,
}

impl Service {
    /// # Errors
    /// [`Problem::InvalidRefreshToken`].
    pub async fn refresh(&self, request: &Request, body: &RefreshBody) -> Result<SessionBody, Problem> {
        let token = RefreshToken::parse(&body.refresh_token)?;
        let ring = self.keys.get().await?;
        let next = token.successor(&mut entropy::system());
        let session = self.sessions.rotate(&token, &next, self.now()).await?;
        let user = self.users.find(&session.user_id).await?.filter(|user| session.outlives(user));
        let Some(user) = user else {
            self.sessions.log_out(&next).await?;
            return Err(Problem::InvalidRefreshToken);
        };
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
