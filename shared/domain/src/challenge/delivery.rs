//! How far a message got, and why one failed.

use serde::{Deserialize, Serialize};

/// The stored state of a challenge's present message. Clients see [`DeliveryStatus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Saved and waiting to be sent. The event source of `queue-sms` filters on this value.
    Pending,
    /// Certainly not sent: the provider asked to try later. It waits in the queue.
    Deferred,
    /// Handed over to the provider, without an answer yet. A message is handed over once.
    Sending,
    /// The provider never answered: the message may or may not have been sent.
    Unknown,
    /// The provider accepted it.
    Sent,
    /// The provider refused it or reported that it could not be delivered, or it was never handed over.
    Failed,
    /// The provider reported that the phone received it.
    Delivered,
    /// There is no message: there is nowhere to send one, and something else is entered.
    None,
}

impl Delivery {
    /// Not handed over to the provider, or certainly not sent by it.
    pub(super) fn is_waiting(self) -> bool {
        matches!(self, Self::Pending | Self::Deferred)
    }

    /// What the provider says of a message that was handed over. A message only moves forward: a late "sent" does not undo
    /// "delivered".
    pub(super) fn may_become(self, next: Self) -> bool {
        match next {
            Self::Pending | Self::Sending | Self::None => false,
            Self::Deferred | Self::Unknown => self == Self::Sending,
            Self::Sent => matches!(self, Self::Sending | Self::Unknown),
            Self::Failed | Self::Delivered => matches!(self, Self::Sending | Self::Unknown | Self::Sent),
        }
    }
}

/// What the provider reported of a message that it had accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reported {
    Sent,
    Delivered,
    Failed(DeliveryFailure),
}

/// How far the present message got, as clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum DeliveryStatus {
    Pending,
    Sent,
    Delivered,
    Failed,
    Unknown,
    /// Nothing is sent.
    None,
}

/// Why a message was not sent or did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum DeliveryFailure {
    /// The provider does not send to this number or address.
    NumberRefused,
    /// The provider does not serve this account: key, balance or sender. It may say so after it accepted the message.
    AccountRefused,
    /// The provider accepted the message and could not deliver it.
    NotDelivered,
    /// No message may be sent yet: the cooldown, the challenge's limits, too many wrong codes, the limit of the client IP, or
    /// the address has had its emails of the hour or day.
    TooManyCodes,
    /// The number has had its messages of the day.
    NumberLimit,
    /// The number's range has had its messages of the hour.
    PrefixLimit,
    /// The breaker holds messages of this kind back for now.
    HeldBack,
    /// The operator's budget is spent.
    BudgetSpent,
    /// The operator no longer serves this country or kind of number, or sends no codes right now.
    NotAllowed,
    /// It waited for a dependency until its code had expired.
    NotSentInTime,
    /// Its item is malformed or cannot be unsealed.
    Unreadable,
    /// The site's name and host cannot be part of a message.
    SiteNotSet,
}

impl DeliveryFailure {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether a report can say so of a message that was accepted.
    pub(super) fn is_reported(self) -> bool {
        matches!(self, Self::NotDelivered | Self::AccountRefused)
    }

    /// Whether the message was certainly not sent, so that it does not count at its number.
    #[must_use]
    pub fn is_unsent(self) -> bool {
        self != Self::NotDelivered
    }
}
