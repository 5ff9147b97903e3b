//! Sessions: how long one lasts, what ends it, and how fresh one must be to change an account.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    account::{AccountSnapshot, User},
    authentication_method::Method,
    ids::{ClientId, SessionId, UserId},
    settings::Settings,
    sign_in::{SignIn, demands_second_step},
    time::{DAY, HOUR, MINUTE, Timestamp},
};

/// How long a session lasts, however often it is refreshed.
pub const LIFETIME: Duration = Duration::from_secs(30 * DAY.as_secs());

/// How long a refresh whose response was lost can be repeated.
const REFRESH_GRACE: Duration = Duration::from_secs(30);

/// How recent a sign-in must be to change what signs a user in (NIST SP 800-63B-4 §4.1.2).
const FRESH_FOR: Duration = Duration::from_secs(5 * MINUTE.as_secs());

/// How recent an admin's sign-in must be to change something.
const FRESH_FOR_ADMINS: Duration = HOUR;

/// A refresh token family; one item of the `sessions` table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    pub user_id: UserId,
    /// The hash of the present refresh token's secret half.
    #[serde(rename = "current")]
    pub refresh_token_hash: String,
    pub amr: Vec<Method>,
    pub auth_time: Timestamp,
    #[serde(default)]
    pub mfa_time: Option<Timestamp>,
    pub expires_at: Timestamp,
    /// The account's epoch when this session began.
    epoch: u64,
    ttl: Timestamp,
    /// How the client described itself when the session began.
    #[serde(default)]
    pub client: Option<String>,
    #[serde(default)]
    pub last_used_at: Option<Timestamp>,
    /// The hash of the refresh token that the present one replaced, and when.
    #[serde(default, rename = "previous")]
    pub previous_token_hash: Option<String>,
    #[serde(default)]
    pub rotated_at: Option<Timestamp>,
}

/// A session as its user sees it: what the index by user holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListedSession {
    pub id: SessionId,
    pub amr: Vec<Method>,
    pub auth_time: Timestamp,
    pub expires_at: Timestamp,
    epoch: u64,
    #[serde(default)]
    pub client: Option<String>,
    #[serde(default)]
    pub last_used_at: Option<Timestamp>,
    /// The website or app that holds it, if it is a client's grant.
    #[serde(default)]
    pub client_id: Option<ClientId>,
    /// The session that a client's grant ends with.
    #[serde(default)]
    parent: Option<SessionId>,
}

/// The sessions that go on, and the clients' grants whose session goes on.
#[must_use]
pub fn live(mut sessions: Vec<ListedSession>, settings: &Settings, user: &User, now: Timestamp) -> Vec<ListedSession> {
    sessions.retain(|session| session.is_live(settings, user, now));
    let own: Vec<SessionId> =
        sessions.iter().filter(|session| session.parent.is_none()).map(|session| session.id.clone()).collect();
    sessions.retain(|session| session.parent.as_ref().is_none_or(|parent| own.contains(parent)));
    sessions
}

impl ListedSession {
    /// Whether the session goes on: it has not expired, and no change of the account has ended it.
    #[must_use]
    pub fn is_live(&self, settings: &Settings, user: &User, now: Timestamp) -> bool {
        now < self.expires_at && outlives(&self.id, self.epoch, user) && !lacks_a_step(&self.amr, settings, user)
    }
}

fn outlives(session: &SessionId, epoch: u64, user: &User) -> bool {
    epoch == user.epoch || user.kept_session.as_ref() == Some(session)
}

/// A session of a password, a code by email or a recovery code alone ends once its account asks for two steps; a phone alone
/// is a way to sign in of its own, and so is a recovery code in its place.
fn lacks_a_step(amr: &[Method], settings: &Settings, user: &User) -> bool {
    let is_one_step = amr == [Method::Pwd] || (amr == [Method::Otp] && user.password.is_some());
    demands_second_step(settings, user) && is_one_step
}

impl Session {
    #[must_use]
    pub fn begin(
        id: SessionId,
        refresh_token_hash: String,
        account: &AccountSnapshot,
        sign_in: SignIn,
        client: Option<String>,
    ) -> Self {
        let SignIn { amr, auth_time, mfa_time } = sign_in;
        let expires_at = auth_time.plus(LIFETIME);
        Self {
            id,
            user_id: account.user_id.clone(),
            refresh_token_hash,
            amr,
            auth_time,
            mfa_time,
            expires_at,
            epoch: account.epoch,
            ttl: expires_at,
            client,
            last_used_at: None,
            previous_token_hash: None,
            rotated_at: None,
        }
    }

    /// Whether `token_hash` is of the token that the present one replaced a moment ago. The present one has not been used
    /// then, so the response with it was probably lost, and the refresh may be repeated.
    #[must_use]
    pub fn may_repeat_refresh(&self, token_hash: &str, now: Timestamp) -> bool {
        self.previous_token_hash.as_deref() == Some(token_hash)
            && self.rotated_at.is_some_and(|at| now < at.plus(REFRESH_GRACE))
    }

    /// How much longer it lasts, however often it is refreshed.
    #[must_use]
    pub fn remaining(&self, now: Timestamp) -> Duration {
        now.until(self.expires_at)
    }

    /// Whether it is a session of `user` that has neither expired nor ended.
    #[must_use]
    pub fn is_live(&self, user: &User, now: Timestamp) -> bool {
        self.user_id == user.id && self.outlives(user) && now < self.expires_at
    }

    /// Whether no change of the account has ended this session.
    #[must_use]
    pub fn outlives(&self, user: &User) -> bool {
        outlives(&self.id, self.epoch, user)
    }

    /// Whether the session may be refreshed.
    #[must_use]
    pub fn may_be_refreshed(&self, settings: &Settings, user: &User) -> bool {
        self.outlives(user) && !lacks_a_step(&self.amr, settings, user)
    }

    /// Whether the session is recent and strong enough to change what signs the user in, given when its user signed in.
    /// A remembered device spares the message of a sign-in, not this: the code itself must have been entered lately.
    #[must_use]
    pub fn may_change_account(&self, auth_time: Timestamp, settings: &Settings, user: &User, now: Timestamp) -> bool {
        let is_fresh = |at: Timestamp| now <= at.plus(FRESH_FOR);
        let two_steps = demands_second_step(settings, user) && user.password.is_some();
        is_fresh(auth_time) && (!two_steps || self.mfa_time.is_some_and(is_fresh))
    }

    /// Whether an admin may look at what operators see: the session took two steps.
    #[must_use]
    pub fn took_two_steps(&self) -> bool {
        self.mfa_time.is_some()
    }

    /// Whether an admin may change what operators can, given when the admin signed in.
    #[must_use]
    pub fn may_administer(&self, auth_time: Timestamp, now: Timestamp) -> bool {
        self.took_two_steps() && now <= auth_time.plus(FRESH_FOR_ADMINS)
    }
}
