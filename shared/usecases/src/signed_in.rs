//! The result of every sign-in and refresh: a session with its tokens.

use std::time::Duration;

use twostep_crypto::{KeyRing, access_token::Issuer, device_token::DeviceToken, refresh_token::RefreshToken};
use twostep_domain::{
    account::{AccountSnapshot, User},
    session::Session,
    sign_in::SignIn,
    time::Timestamp,
};
use twostep_runtime::entropy;
use twostep_stores::UserStore;

use crate::codes::ChallengeView;

use crate::caller::Caller;

pub struct SignedIn {
    pub access_token: String,
    pub refresh_token: RefreshToken,
    /// How much longer the session lasts.
    pub refresh_token_lasts: Duration,
    /// For a device that is to be remembered.
    pub device_token: Option<DeviceToken>,
    pub user: User,
    /// The code that verifies the address of a new account.
    pub email_challenge: Option<ChallengeView>,
}

/// A session that is not in the table yet, with its first refresh token.
pub(crate) fn begin(caller: &Caller, account: &AccountSnapshot, sign_in: SignIn) -> (Session, RefreshToken) {
    let token = RefreshToken::random(&mut entropy::system());
    let client = Some(caller.user_agent.clone());
    (Session::begin(token.session_id(), token.secret_hash(), account, sign_in, client), token)
}

/// Records that the account is in use, once a day. A sign-in does not fail for it.
pub(crate) async fn record_use(users: &UserStore, user: &User, now: Timestamp) {
    if user.use_is_news(now)
        && let Err(error) = users.record_use(user, now).await
    {
        tracing::warn!(%error, "the use of an account was not recorded");
    }
}

impl SignedIn {
    pub(crate) fn new(
        issuer: &Issuer,
        ring: &KeyRing,
        session: &Session,
        refresh_token: RefreshToken,
        user: User,
        now: Timestamp,
    ) -> Self {
        Self {
            access_token: issuer.issue(ring, session, now, &mut entropy::system()),
            refresh_token,
            refresh_token_lasts: session.remaining(now),
            device_token: None,
            user,
            email_challenge: None,
        }
    }
}
