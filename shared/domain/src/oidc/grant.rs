//! What one sign-in gives to one client: first a code, then a refresh token family. Both belong to the user's session and
//! end with it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{AuthorizationRequest, CodeChallenge, Scopes};
use crate::{
    account::User,
    authentication_method::Method,
    ids::{ClientId, GrantId, SessionId, UserId},
    session::Session,
    time::{DAY, Timestamp},
};

/// How long a code is accepted (RFC 6749 §4.1.2 allows ten minutes).
pub const CODE_LIFETIME: Duration = Duration::from_secs(60);

/// A session that a client may use. One item of the `sessions` table until it is used, and for a day after, so that a
/// second use is noticed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthorizationCode {
    /// Derived from the code's hash.
    pub id: String,
    pub client_id: ClientId,
    pub redirect_uri: String,
    pub code_challenge: CodeChallenge,
    pub scopes: Scopes,
    #[serde(default)]
    pub nonce: Option<String>,
    /// The user. Not `user_id`, because a code is not one of the user's sessions.
    pub subject: UserId,
    pub session: SessionId,
    pub epoch: u64,
    pub amr: Vec<Method>,
    pub auth_time: Timestamp,
    pub session_expires_at: Timestamp,
    pub expires_at: Timestamp,
    /// The grant that the code was exchanged for; `None` until it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    ttl: Timestamp,
}

impl AuthorizationCode {
    #[must_use]
    pub fn new(id: String, request: &AuthorizationRequest, user: &User, session: &Session, now: Timestamp) -> Self {
        Self {
            id,
            client_id: request.client_id.clone(),
            redirect_uri: request.redirect_uri.clone(),
            code_challenge: request.code_challenge.clone(),
            scopes: request.scopes.clone(),
            nonce: request.nonce.clone(),
            subject: user.id.clone(),
            session: session.id.clone(),
            epoch: user.epoch,
            amr: session.amr.clone(),
            auth_time: session.auth_time,
            session_expires_at: session.expires_at,
            expires_at: now.plus(CODE_LIFETIME),
            grant: None,
            ttl: now.plus(DAY),
        }
    }
}

/// A refresh token family of one client. One item of the `sessions` table, with the attributes of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Grant {
    pub id: GrantId,
    pub user_id: UserId,
    pub client_id: ClientId,
    /// The user's session, with which the grant ends.
    pub parent: SessionId,
    pub scopes: Scopes,
    /// The hash of the present refresh token's secret half.
    #[serde(rename = "current")]
    pub refresh_token_hash: String,
    pub amr: Vec<Method>,
    pub auth_time: Timestamp,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// The account's epoch when the grant was made. Every later change that ends sessions ends it, even one that its own
    /// session made.
    pub epoch: u64,
    ttl: Timestamp,
}

impl Grant {
    #[must_use]
    pub fn of_code(code: &AuthorizationCode, id: GrantId, refresh_token_hash: String, now: Timestamp) -> Self {
        Self {
            id,
            user_id: code.subject.clone(),
            client_id: code.client_id.clone(),
            parent: code.session.clone(),
            scopes: code.scopes.clone(),
            refresh_token_hash,
            amr: code.amr.clone(),
            auth_time: code.auth_time,
            created_at: now,
            expires_at: code.session_expires_at,
            epoch: code.epoch,
            ttl: code.session_expires_at,
        }
    }

    /// Whether the grant still holds for `user`, given the session that it belongs to.
    #[must_use]
    pub fn is_live(&self, user: &User, parent: Option<&Session>, now: Timestamp) -> bool {
        let belongs = |parent: &Session| parent.id == self.parent && parent.user_id == self.user_id;
        user.id == self.user_id
            && user.epoch == self.epoch
            && now < self.expires_at
            && parent.is_some_and(|parent| belongs(parent) && now < parent.expires_at && parent.outlives(user))
    }
}
