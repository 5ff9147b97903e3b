//! Webhooks: which events follow from what happened to an account, and when a delivery is tried again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    account::{Activity, Event},
    random,
    target::TargetUrl,
    time::{DAY, Timestamp},
};
use rand::CryptoRng;

/// What a receiver is told. The names are part of the API.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, strum::EnumString, strum::IntoStaticStr,
)]
pub enum EventType {
    #[serde(rename = "user.created")]
    #[strum(serialize = "user.created")]
    UserCreated,
    #[serde(rename = "user.updated")]
    #[strum(serialize = "user.updated")]
    UserUpdated,
    #[serde(rename = "user.deleted")]
    #[strum(serialize = "user.deleted")]
    UserDeleted,
    #[serde(rename = "user.signed_in")]
    #[strum(serialize = "user.signed_in")]
    UserSignedIn,
    #[serde(rename = "user.disabled")]
    #[strum(serialize = "user.disabled")]
    UserDisabled,
    #[serde(rename = "phone.verified")]
    #[strum(serialize = "phone.verified")]
    PhoneVerified,
    #[serde(rename = "phone.removed")]
    #[strum(serialize = "phone.removed")]
    PhoneRemoved,
    #[serde(rename = "email.verified")]
    #[strum(serialize = "email.verified")]
    EmailVerified,
    #[serde(rename = "password.changed")]
    #[strum(serialize = "password.changed")]
    PasswordChanged,
    #[serde(rename = "two_step.enabled")]
    #[strum(serialize = "two_step.enabled")]
    TwoStepEnabled,
    #[serde(rename = "two_step.disabled")]
    #[strum(serialize = "two_step.disabled")]
    TwoStepDisabled,
    #[serde(rename = "session.ended")]
    #[strum(serialize = "session.ended")]
    SessionEnded,
    #[serde(rename = "verification.succeeded")]
    #[strum(serialize = "verification.succeeded")]
    VerificationSucceeded,
    /// What an operator sends to try a webhook.
    #[serde(rename = "webhook.test")]
    #[strum(serialize = "webhook.test")]
    Test,
}

impl EventType {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What follows from an entry of the audit trail, in order.
#[must_use]
pub fn events_of(entry: &Activity) -> Vec<EventType> {
    let mut events = match entry.event {
        Event::Registered | Event::Imported => vec![EventType::UserCreated],
        Event::SignedIn => vec![EventType::UserSignedIn],
        Event::SignedOut | Event::SessionEnded | Event::OtherSessionsEnded | Event::RefreshTokenReused => {
            vec![EventType::SessionEnded]
        }
        Event::NameChanged
        | Event::EmailChanged
        | Event::TotpAdded
        | Event::TotpRemoved
        | Event::Enabled
        | Event::RoleChanged => vec![EventType::UserUpdated],
        Event::EmailVerified => vec![EventType::EmailVerified],
        Event::PhoneVerified => vec![EventType::PhoneVerified],
        Event::PhoneRemoved | Event::PhoneTakenOver => vec![EventType::PhoneRemoved],
        Event::PasswordChanged | Event::PasswordReset => vec![EventType::PasswordChanged],
        Event::AccountDeleted => vec![EventType::UserDeleted],
        Event::Disabled => vec![EventType::UserDisabled],
        Event::VerificationSucceeded => vec![EventType::VerificationSucceeded],
        Event::RecoveryCodesCreated | Event::DeviceRemoved | Event::DataExported | Event::Unlocked => Vec::new(),
    };
    events.extend(entry.two_step.map(|on| if on { EventType::TwoStepEnabled } else { EventType::TwoStepDisabled }));
    events
}

/// A receiver of events. Its secret follows from `id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    pub id: String,
    pub url: TargetUrl,
    /// `None` means all.
    pub events: Option<Vec<EventType>>,
    pub created_at: Timestamp,
}

impl Webhook {
    #[must_use]
    pub fn new(url: TargetUrl, events: Option<Vec<EventType>>, now: Timestamp, rng: &mut dyn CryptoRng) -> Self {
        Self { id: random::identifier(rng), url, events, created_at: now }
    }

    #[must_use]
    pub fn wants(&self, event: EventType) -> bool {
        self.events.as_ref().is_none_or(|events| events.contains(&event))
    }
}

/// How far a delivery got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum DeliveryState {
    Pending,
    Delivered,
    /// A day has passed, or the webhook is gone.
    Failed,
}

/// An event for one webhook; one item of the `deliveries` table. It names what happened and holds nothing of it: the account
/// is read when the event is delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventDelivery {
    pub lane: Lane,
    /// Orders the deliveries of a lane by time.
    pub id: String,
    pub webhook: String,
    pub event: EventType,
    pub entry: Activity,
    pub state: DeliveryState,
    #[serde(default)]
    pub attempts: u32,
    /// The time of the next try.
    pub due_at: Timestamp,
    /// After this, a try that fails is the last.
    pub expires_at: Timestamp,
    /// The status of the last response.
    #[serde(default)]
    pub response_status: Option<u16>,
    /// Why there was none.
    #[serde(default)]
    pub reason: Option<String>,
    /// When DynamoDB may delete it.
    pub ttl: Timestamp,
}

/// The deliveries to one webhook about one user: they keep their order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lane(String);

impl Lane {
    #[must_use]
    pub fn of(webhook: &str, entry: &Activity) -> Self {
        Self(format!("{webhook}|{}", entry.user.as_str()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn webhook(&self) -> &str {
        self.0.split_once('|').map_or("", |(webhook, _)| webhook)
    }
}

impl EventDelivery {
    const TRIED_FOR: Duration = DAY;
    const KEPT_FOR: Duration = Duration::from_secs(7 * DAY.as_secs());

    #[must_use]
    pub fn new(webhook: &Webhook, event: EventType, place: usize, entry: &Activity, now: Timestamp) -> Self {
        Self {
            lane: Lane::of(&webhook.id, entry),
            id: format!("{}-{place}", entry.id),
            webhook: webhook.id.clone(),
            event,
            entry: entry.clone(),
            state: DeliveryState::Pending,
            attempts: 0,
            due_at: now,
            expires_at: now.plus(Self::TRIED_FOR),
            response_status: None,
            reason: None,
            ttl: now.plus(Self::KEPT_FOR),
        }
    }

    /// What receivers know it by, at every try.
    #[must_use]
    pub fn message_id(&self) -> String {
        format!("evt_{}", self.id)
    }

    /// Whether a webhook that answers with this status has taken the event.
    #[must_use]
    pub fn is_taken(status: Option<u16>) -> bool {
        status.is_some_and(|status| (200..300).contains(&status))
    }

    /// After a try: delivered, to be tried again later, or failed.
    #[must_use]
    pub fn tried(&self, status: Option<u16>, reason: Option<&str>, now: Timestamp) -> Self {
        let mut next = self.clone();
        next.attempts += 1;
        next.response_status = status;
        next.reason = reason.map(str::to_owned);
        if Self::is_taken(status) {
            next.state = DeliveryState::Delivered;
        } else if now >= self.expires_at {
            next.state = DeliveryState::Failed;
        } else {
            next.due_at = now.plus(pause(next.attempts)).min(self.expires_at);
        }
        next
    }

    /// Tried once more from the start: an operator asks.
    #[must_use]
    pub fn again(&self, now: Timestamp) -> Self {
        Self {
            state: DeliveryState::Pending,
            attempts: 0,
            due_at: now,
            expires_at: now.plus(Self::TRIED_FOR),
            ttl: now.plus(Self::KEPT_FOR),
            ..self.clone()
        }
    }
}

/// How long to wait after so many tries in vain.
#[must_use]
pub fn pause(attempts: u32) -> Duration {
    const PAUSES: [Duration; 8] = [
        Duration::from_secs(5),
        Duration::from_secs(30),
        Duration::from_mins(2),
        Duration::from_mins(10),
        Duration::from_mins(30),
        Duration::from_hours(1),
        Duration::from_hours(2),
        Duration::from_hours(4),
    ];
    let place = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    PAUSES[place.min(PAUSES.len() - 1)]
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::{account::activity::Moment, ids::UserId, target::Reach};

    fn entry(event: Event) -> Activity {
        let moment = Moment { milliseconds: 1_800_000_000_000, sequence: 0, random: 0 };
        Activity::new(UserId::from_stored("ada"), event, Timestamp(1_800_000_000), &moment)
    }

    fn delivery(now: Timestamp) -> EventDelivery {
        let url = TargetUrl::parse("https://shop.example/hook", Reach::Public).unwrap();
        let webhook = Webhook::new(url, None, now, &mut StdRng::seed_from_u64(1));
        EventDelivery::new(&webhook, EventType::UserCreated, 0, &entry(Event::Registered), now)
    }

    #[test]
    fn an_entry_can_be_two_events() {
        assert_eq!(events_of(&entry(Event::Registered)), [EventType::UserCreated]);
        let added = Activity { two_step: Some(true), ..entry(Event::PhoneVerified) };
        assert_eq!(events_of(&added), [EventType::PhoneVerified, EventType::TwoStepEnabled]);
        let removed = Activity { two_step: Some(false), ..entry(Event::TotpRemoved) };
        assert_eq!(events_of(&removed), [EventType::UserUpdated, EventType::TwoStepDisabled]);
        assert!(events_of(&entry(Event::DataExported)).is_empty());
        assert_eq!("two_step.enabled".parse(), Ok(EventType::TwoStepEnabled));
        assert_eq!(EventType::UserSignedIn.as_str(), "user.signed_in");
    }

    #[test]
    fn a_delivery_is_tried_for_a_day_after_growing_pauses() {
        let start = Timestamp(1_800_000_000);
        let (mut now, mut tries) = (start, Vec::new());
        let mut delivery = delivery(start);
        while delivery.state == DeliveryState::Pending {
            tries.push(now.0 - start.0);
            delivery = delivery.tried(Some(500), None, now);
            assert!(delivery.state == DeliveryState::Failed || delivery.due_at > now);
            now = delivery.due_at;
        }
        assert_eq!(tries[..6], [0, 5, 35, 155, 755, 2_555]);
        assert_eq!((tries.len(), tries.last()), (14, Some(&86_400)));
        assert_eq!((delivery.response_status, delivery.attempts), (Some(500), 14));
        let again = delivery.again(now);
        assert_eq!((again.state, again.message_id()), (DeliveryState::Pending, delivery.message_id()));
    }

    #[test]
    fn only_a_status_of_the_two_hundreds_is_a_delivery() {
        let (now, delivery) = (Timestamp(1_800_000_000), delivery(Timestamp(1_800_000_000)));
        for (status, state) in [
            (200, DeliveryState::Delivered),
            (204, DeliveryState::Delivered),
            (301, DeliveryState::Pending),
            (410, DeliveryState::Pending),
        ] {
            assert_eq!(delivery.tried(Some(status), None, now).state, state, "{status}");
        }
        assert_eq!(delivery.tried(None, Some("timeout"), now).reason.as_deref(), Some("timeout"));
    }
}
