//! Sessions: how long one lasts, what ends it, and how fresh one must be to change an account.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    account::{AccountSnapshot, User},
    authentication_method::Method,
    ids::{SessionId, UserId},
    settings::Settings,
    sign_in::{SignIn, demands_second_step},
    time::{DAY, MINUTE, Timestamp},
};

/// How long a session lasts, however often it is refreshed.
pub const LIFETIME: Duration = Duration::from_secs(30 * DAY.as_secs());

/// How recent a sign-in must be to change what signs a user in (NIST SP 800-63B-4 §4.1.2).
const FRESH_FOR: Duration = Duration::from_secs(5 * MINUTE.as_secs());

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
}

impl Session {
    #[must_use]
    pub fn begin(id: SessionId, refresh_token_hash: String, account: &AccountSnapshot, sign_in: SignIn) -> Self {
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
        }
    }

    /// How much longer it lasts, however often it is refreshed.
    #[must_use]
    pub fn remaining(&self, now: Timestamp) -> Duration {
        now.until(self.expires_at)
    }

    /// Whether no change of the account has ended this session.
    #[must_use]
    pub fn outlives(&self, user: &User) -> bool {
        self.epoch == user.epoch || user.kept_session.as_ref() == Some(&self.id)
    }

    /// Whether the session may be refreshed. One of a password or a code by email alone ends once its account asks for two
    /// steps; a phone alone is a way to sign in of its own.
    #[must_use]
    pub fn may_be_refreshed(&self, settings: &Settings, user: &User) -> bool {
        let has_one_step = self.amr == [Method::Pwd] || self.amr == [Method::Otp];
        self.outlives(user) && !(demands_second_step(settings, user) && has_one_step)
    }

    /// Whether the session is recent and strong enough to change what signs the user in, given when its user signed in.
    /// A remembered device spares the message of a sign-in, not this: the code itself must have been entered lately.
    #[must_use]
    pub fn may_change_account(&self, auth_time: Timestamp, settings: &Settings, user: &User, now: Timestamp) -> bool {
        let is_fresh = |at: Timestamp| now <= at.plus(FRESH_FOR);
        let two_steps = demands_second_step(settings, user) && user.password.is_some();
        is_fresh(auth_time) && (!two_steps || self.mfa_time.is_some_and(is_fresh))
    }
}
