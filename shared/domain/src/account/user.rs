//! The account itself, and the snapshot of it that other items keep.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{Authenticator, Device, PendingTotp, Totp};
use crate::{
    email::EmailAddress,
    ids::{SessionId, UserId},
    person_name::PersonName,
    phone::PhoneNumber,
    time::{DAY, Timestamp},
};

/// An argon2id hash in PHC form; `twostep_crypto::password` makes and verifies it. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// What a user may do.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, strum::EnumString, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    #[default]
    User,
    Admin,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    #[serde(rename = "user_id")]
    pub id: UserId,
    pub name: PersonName,
    pub email: EmailAddress,
    /// When the address was verified; `None` if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified_at: Option<Timestamp>,
    #[serde(default)]
    pub phone: Option<PhoneNumber>,
    #[serde(default, rename = "phone_proven_at")]
    pub phone_verified_at: Option<Timestamp>,
    /// Whether a password sign-in asks for a second step. A verified number or an app turns it on.
    pub two_step: bool,
    pub created_at: Timestamp,
    /// When the user last signed in or refreshed a session, at most a day out of date. `None` if that was under an earlier
    /// version, which did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// Counts the changes that end other sessions.
    pub epoch: u64,
    /// The session that made the latest such change; it alone outlives it.
    #[serde(default)]
    pub kept_session: Option<SessionId>,
    #[serde(default)]
    pub password: Option<PasswordHash>,
    /// Keyed hashes, see `twostep_crypto::recovery_code`.
    #[serde(default)]
    pub recovery_codes: Vec<String>,
    /// Browsers that may skip the second step, by device id.
    #[serde(default)]
    pub devices: BTreeMap<String, Device>,
    /// By id.
    #[serde(default)]
    pub authenticators: BTreeMap<String, Authenticator>,
    #[serde(default)]
    pub pending_totp: Option<PendingTotp>,
    #[serde(default)]
    pub role: Role,
    /// An operator has turned the account off: it is as if it didn't exist for everything that signs in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// What the account was imported from, hidden. The same line again changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported_from: Option<String>,
    /// When an operator last lifted the locks of failed attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlocked_at: Option<Timestamp>,
}

impl User {
    /// A new account. One that begins with a verified number has two-step on.
    #[must_use]
    pub fn new(
        id: UserId,
        name: PersonName,
        email: EmailAddress,
        phone: Option<PhoneNumber>,
        password: Option<PasswordHash>,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            name,
            email,
            email_verified_at: None,
            two_step: phone.is_some(),
            phone_verified_at: phone.as_ref().map(|_| now),
            phone,
            created_at: now,
            last_used_at: Some(now),
            epoch: 0,
            kept_session: None,
            password,
            recovery_codes: Vec::new(),
            devices: BTreeMap::new(),
            authenticators: BTreeMap::new(),
            pending_totp: None,
            role: Role::default(),
            disabled: false,
            imported_from: None,
            unlocked_at: None,
        }
    }

    /// The address that security notices go to.
    #[must_use]
    pub fn verified_email(&self) -> Option<&EmailAddress> {
        self.email_verified_at.map(|_| &self.email)
    }

    /// Whether a use at `now` is worth recording: the recorded one is a day old.
    #[must_use]
    pub fn use_is_news(&self, now: Timestamp) -> bool {
        self.last_used_at.is_none_or(|at| at.plus(DAY) <= now)
    }

    /// Whether the account was last used before `used_since`. A use that was not recorded counts as recent.
    #[must_use]
    pub fn is_idle(&self, used_since: Option<Timestamp>) -> bool {
        is_idle(self.last_used_at, used_since)
    }

    /// The account's app for time-based codes, with its id.
    #[must_use]
    pub fn totp(&self) -> Option<(&str, &Totp)> {
        self.authenticators.iter().map(|(id, Authenticator::Totp(totp))| (id.as_str(), totp)).next()
    }

    /// The devices to forget so that one more fits: the expired ones and, beyond twenty, the one unused for longest.
    #[must_use]
    pub fn devices_to_forget(&self, now: Timestamp) -> Vec<String> {
        const MOST: usize = 20;
        let (live, expired): (Vec<_>, Vec<_>) = self.devices.iter().partition(|(_, device)| now < device.expires_at);
        let oldest = live.iter().min_by_key(|(_, device)| device.last_used_at).filter(|_| live.len() >= MOST);
        expired.iter().chain(oldest).map(|(id, _)| (*id).clone()).collect()
    }

    /// Whether the account counts as an admin that can still act.
    #[must_use]
    pub fn is_active_admin(&self) -> bool {
        self.role == Role::Admin && !self.disabled
    }

    #[must_use]
    pub fn list_position(&self) -> ListPosition {
        ListPosition { created_at: self.created_at, id: self.id.clone() }
    }

    /// What the uniqueness item of the account's number says.
    #[must_use]
    pub fn phone_owner(&self) -> PhoneOwner {
        PhoneOwner { account: self.snapshot(), last_used_at: self.last_used_at, disabled: self.disabled }
    }

    #[must_use]
    pub fn snapshot(&self) -> AccountSnapshot {
        AccountSnapshot {
            user_id: self.id.clone(),
            epoch: self.epoch,
            has_password: self.password.is_some(),
            verified_at: self.phone_verified_at,
        }
    }
}

/// The place of an account in the list of all accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPosition {
    pub created_at: Timestamp,
    pub id: UserId,
}

/// What a number's uniqueness item says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneOwner {
    #[serde(flatten)]
    pub account: AccountSnapshot,
    /// A copy of [`User::last_used_at`], so that a sign-in by phone can be judged without reading the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// A copy of [`User::disabled`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

impl PhoneOwner {
    /// See [`User::is_idle`].
    #[must_use]
    pub fn is_idle(&self, used_since: Option<Timestamp>) -> bool {
        is_idle(self.last_used_at, used_since)
    }
}

fn is_idle(last_used_at: Option<Timestamp>, used_since: Option<Timestamp>) -> bool {
    last_used_at.zip(used_since).is_some_and(|(used, since)| used < since)
}

/// An account as another item saw it last: a uniqueness item (of a number, the *phone owner*) or a challenge.
///
/// The phone's uniqueness item is kept up to date, so that a sign-in by phone can be judged and can begin a session
/// without reading the account first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSnapshot {
    pub user_id: UserId,
    /// See [`User::epoch`].
    pub epoch: u64,
    #[serde(default)]
    pub has_password: bool,
    /// When the account's phone was verified.
    #[serde(default, rename = "proven_at")]
    pub verified_at: Option<Timestamp>,
}
