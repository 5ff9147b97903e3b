//! The audit trail: what happened to an account, when, and in which session.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    authentication_method::Method,
    ids::{SessionId, UserId},
    time::{DAY, Timestamp},
};

/// What happened. The names are part of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Event {
    Registered,
    /// An operator has brought the account from elsewhere.
    Imported,
    SignedIn,
    SignedOut,
    /// The user ended one of their sessions.
    SessionEnded,
    /// The user ended all other sessions.
    OtherSessionsEnded,
    /// A refresh token was used twice, so its session ended.
    RefreshTokenReused,
    NameChanged,
    EmailChanged,
    EmailVerified,
    PhoneVerified,
    PhoneRemoved,
    /// The account was idle, and the number was registered by its new owner.
    PhoneTakenOver,
    PasswordChanged,
    PasswordReset,
    TotpAdded,
    TotpRemoved,
    RecoveryCodesCreated,
    DeviceRemoved,
    DataExported,
    AccountDeleted,
    /// An operator has turned the account off, or on again.
    Disabled,
    Enabled,
    /// An operator has lifted the locks of failed attempts.
    Unlocked,
    RoleChanged,
    /// A client's verification; it is no account's.
    VerificationSucceeded,
}

impl Event {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// One entry; one item of the `audit` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    #[serde(rename = "user_id")]
    pub user: UserId,
    /// Orders the entries of a user by time.
    pub id: String,
    pub at: Timestamp,
    pub event: Event,
    /// How the client described itself.
    #[serde(default)]
    pub client: Option<String>,
    /// How the session began.
    #[serde(default)]
    pub amr: Vec<Method>,
    #[serde(default, rename = "session_id")]
    pub session: Option<SessionId>,
    /// Whether an operator did it, and not the user. The trail of operators says which one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_operator: bool,
    /// Whether two-step is on from then on, if that changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub two_step: Option<bool>,
    /// The verification that succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<String>,
    /// When DynamoDB may delete it.
    pub ttl: Timestamp,
}

impl Activity {
    /// How long an entry is kept.
    pub const KEPT_FOR: Duration = Duration::from_secs(400 * DAY.as_secs());

    /// An entry of now. `moment` orders it among others, see [`Moment`].
    #[must_use]
    pub fn new(user: UserId, event: Event, now: Timestamp, moment: &Moment) -> Self {
        let (id, ttl) = (moment.id(), now.plus(Self::KEPT_FOR));
        Self {
            user,
            id,
            at: now,
            event,
            client: None,
            amr: Vec::new(),
            session: None,
            by_operator: false,
            two_step: None,
            verification: None,
            ttl,
        }
    }

    /// Whether it is still kept at `now`. DynamoDB can delete it days later.
    #[must_use]
    pub fn is_kept(&self, now: Timestamp) -> bool {
        now < self.ttl
    }
}

/// A point in time that two entries of one process never share.
pub struct Moment {
    /// Since the Unix epoch.
    pub milliseconds: i64,
    /// Grows with each entry of this process.
    pub sequence: u32,
    /// Keeps entries of different processes apart.
    pub random: u32,
}

impl Moment {
    pub(super) fn id(&self) -> String {
        format!("{:014}-{:010}-{:08x}", self.milliseconds, self.sequence, self.random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_ordered_by_time_and_then_by_their_sequence() {
        let id = |milliseconds, sequence| Moment { milliseconds, sequence, random: 7 }.id();
        let mut ids = [id(1_800_000_000_001, 0), id(1_800_000_000_000, 10), id(1_800_000_000_000, 9), id(9, 11)];
        ids.sort();
        assert_eq!(ids, [id(9, 11), id(1_800_000_000_000, 9), id(1_800_000_000_000, 10), id(1_800_000_000_001, 0)]);
    }

    #[test]
    fn an_entry_is_kept_for_four_hundred_days() {
        let moment = Moment { milliseconds: 0, sequence: 0, random: 0 };
        let entry = Activity::new(UserId::from_stored("a"), Event::SignedIn, Timestamp(0), &moment);
        let end = 400 * 86_400;
        assert!(entry.is_kept(Timestamp(end - 1)) && !entry.is_kept(Timestamp(end)));
        assert_eq!(entry.event.as_str(), "signed_in");
    }
}
