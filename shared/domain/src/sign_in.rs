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

    /// One or two proofs that were given just now, the second in addition to the first. Proofs of one kind are named once
    /// (RFC 8176 has one value for codes by email and recovery codes).
    #[must_use]
    pub fn by_proofs(first: Method, second: Option<Method>, now: Timestamp) -> Self {
        let mut amr = vec![first];
        if let Some(second) = second {
            amr.extend(Some(second).filter(|second| *second != first));
            amr.push(Method::Mfa);
        }
        Self { amr, auth_time: now, mfa_time: second.map(|_| now) }
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

/// Whether an account demands two steps of whoever proves to be its owner by anything but its phone alone.
#[must_use]
pub fn has_two_factors(settings: &Settings, user: &User) -> bool {
    demands_second_step(settings, user) && user.password.is_some()
}

/// Whether a password sign-in to this account needs a second step.
#[must_use]
pub fn demands_second_step(settings: &Settings, user: &User) -> bool {
    settings.two_step_enabled && user.two_step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_are_named_in_order_and_once() {
        let amr = |first, second| SignIn::by_proofs(first, second, Timestamp(5)).amr;
        assert_eq!(amr(Method::Otp, None), [Method::Otp]);
        assert_eq!(amr(Method::Sms, Some(Method::Pwd)), [Method::Sms, Method::Pwd, Method::Mfa]);
        assert_eq!(amr(Method::Otp, Some(Method::Otp)), [Method::Otp, Method::Mfa]);
        assert_eq!(SignIn::by_proofs(Method::Otp, None, Timestamp(5)).mfa_time, None);
        assert_eq!(SignIn::by_proofs(Method::Sms, Some(Method::Otp), Timestamp(5)).mfa_time, Some(Timestamp(5)));
    }
}
