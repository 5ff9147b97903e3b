//! The trail of operators: who did what, and to which account. It never holds the value of a secret.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::activity::{Activity, Moment};
use crate::{ids::UserId, time::Timestamp};

/// Who operates the service. It displays as logs name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Operator {
    /// The admin key, by its end.
    AdminKey { hint: String },
    /// A user with the role of an admin.
    User { id: UserId },
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AdminKey { hint } => write!(f, "admin key {hint}"),
            Self::User { id } => write!(f, "admin {}", id.as_str()),
        }
    }
}

/// What an operator did. The names are part of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Action {
    SettingsChanged,
    TestSmsSent,
    TestEmailSent,
    ClientCreated,
    ClientChanged,
    ClientSecretRenewed,
    ClientRemoved,
    /// The operator saw the user's number and address.
    UserViewed,
    UsersListed,
    UserDisabled,
    UserEnabled,
    UserSignedOut,
    UserPhoneRemoved,
    UserTotpRemoved,
    UserUnlocked,
    UserRoleChanged,
    UserDeleted,
    UsersImported,
    UsersExported,
    WebhookCreated,
    WebhookRemoved,
    WebhookTested,
    DeliveryRepeated,
}

impl Action {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// One entry; one item of the `audit` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    #[serde(rename = "user_id")]
    trail: String,
    /// Orders the entries by time.
    pub id: String,
    pub at: Timestamp,
    pub action: Action,
    pub operator: Operator,
    /// The account that it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// What else it was about: a client's ID, the names of the settings that changed, a role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<String>,
    /// When DynamoDB may delete it.
    pub ttl: Timestamp,
}

impl Operation {
    /// The key that all entries share. No user has such an id.
    pub const TRAIL: &'static str = "#operators";

    /// An entry of now. `moment` orders it among others.
    #[must_use]
    pub fn new(operator: Operator, action: Action, now: Timestamp, moment: &Moment) -> Self {
        Self {
            trail: Self::TRAIL.to_owned(),
            id: moment.id(),
            at: now,
            action,
            operator,
            user: None,
            about: Vec::new(),
            ttl: now.plus(Activity::KEPT_FOR),
        }
    }

    #[must_use]
    pub fn on(self, user: &UserId) -> Self {
        Self { user: Some(user.clone()), ..self }
    }

    #[must_use]
    pub fn about(self, about: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { about: about.into_iter().map(Into::into).collect(), ..self }
    }

    /// Whether it is still kept at `now`. DynamoDB can delete it days later.
    #[must_use]
    pub fn is_kept(&self, now: Timestamp) -> bool {
        now < self.ttl
    }
}
