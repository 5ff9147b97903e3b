//! How a user signed in, and which ways the settings allow.

use crate::{
    account::{AccountSnapshot, User},
    authentication_method::Method,
    settings::Settings,
    time::Timestamp,
};

/// How and when a user proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    pub amr: Vec<Method>,
    pub auth_time: Timestamp,
    /// When the second step was taken. With a remembered device this is earlier than `auth_time`.
    pub mfa_time: Option<Timestamp>,
}

impl SignIn {
    #[must_use]
    pub fn by_phone(now: Timestamp) -> Self {
        Self { amr: vec![Method::Sms], auth_time: now, mfa_time: None }
    }

    #[must_use]
    pub fn by_password(now: Timestamp) -> Self {
        Self { amr: vec![Method::Pwd], auth_time: now, mfa_time: None }
    }

    #[must_use]
    pub fn by_recovery_code(now: Timestamp) -> Self {
        Self { amr: vec![Method::Otp], auth_time: now, mfa_time: None }
    }

    /// A password, then `second`, which was entered at `mfa_time`.
    #[must_use]
    pub fn in_two_steps(second: Method, mfa_time: Timestamp, now: Timestamp) -> Self {
        Self { amr: vec![Method::Pwd, second, Method::Mfa], auth_time: now, mfa_time: Some(mfa_time) }
    }
}

/// Whether the settings let a user sign in to this account with its phone alone.
#[must_use]
pub fn may_sign_in_by_phone(settings: &Settings, account: &AccountSnapshot) -> bool {
    !account.has_password || settings.phone_login_for_password_accounts
}

/// Whether a password sign-in to this account needs a second step.
#[must_use]
pub fn demands_second_step(settings: &Settings, user: &User) -> bool {
    settings.two_step_enabled && user.two_step
}
