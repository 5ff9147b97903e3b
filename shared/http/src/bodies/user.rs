//! Users.

use serde::Serialize;
use serde_json::Value;
use twostep_domain::{account::User, phone::PhoneNumber};

#[expect(clippy::struct_excessive_bools, reason = "the API has them")]
#[derive(Serialize)]
pub struct UserBody {
    id: String,
    name: String,
    email: String,
    email_verified: bool,
    phone: Option<String>,
    two_step: bool,
    has_password: bool,
    totp: bool,
    recovery_codes_left: usize,
    role: &'static str,
    created_at: String,
}

/// A user as the API writes one, for events.
#[must_use]
pub fn describe(user: User) -> Value {
    serde_json::to_value(UserBody::from(user)).unwrap_or_default()
}

impl UserBody {
    /// With hints in place of the number and the address.
    #[must_use]
    pub fn masked(user: User) -> Self {
        let (email, phone) = (user.email.hint(), user.phone.as_ref().map(PhoneNumber::hint));
        Self { email, phone, ..Self::from(user) }
    }
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.id.as_str().to_owned(),
            has_password: user.password.is_some(),
            totp: user.totp().is_some(),
            recovery_codes_left: user.recovery_codes.len(),
            role: user.role.into(),
            name: user.name.into(),
            email: user.email.into(),
            email_verified: user.email_verified_at.is_some(),
            phone: user.phone.map(|phone| phone.e164().to_owned()),
            two_step: user.two_step,
            created_at: user.created_at.rfc3339(),
        }
    }
}
