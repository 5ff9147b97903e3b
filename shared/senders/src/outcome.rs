//! What a sender did with a message or an email.

use std::fmt;

use twostep_domain::challenge::DeliveryFailure;

/// `F` says whose fault a refusal is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<F = Fault> {
    Accepted {
        message_id: String,
    },
    /// Not sent and not charged.
    Refused {
        code: String,
        fault: F,
    },
    /// Not sent; the same message may be sent later.
    Later {
        reason: &'static str,
    },
    /// Perhaps sent. Sending it again could deliver it twice.
    Unknown {
        reason: &'static str,
    },
}

/// The provider's error code, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureCode {
    Code(u32),
    Said(&'static str),
    /// The provider was not asked.
    Ours(DeliveryFailure),
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "The sender returned error {code}."),
            Self::Said(reason) => write!(f, "The sender: {}.", reason.replace('_', " ")),
            Self::Ours(failure) => write!(f, "Not sent: {}.", failure.as_str().replace('_', " ")),
        }
    }
}

impl Outcome {
    /// Why it was not sent; `None` if it was.
    #[must_use]
    pub fn failure(&self) -> Option<FailureCode> {
        match self {
            Self::Accepted { .. } => None,
            Self::Refused { code, .. } => {
                Some(code.parse().map_or(FailureCode::Said("refused without a code"), FailureCode::Code))
            }
            Self::Later { reason } | Self::Unknown { reason } => Some(FailureCode::Said(reason)),
        }
    }

    /// Whether another sender may try: this one certainly sent nothing, and not because of the number.
    #[must_use]
    pub fn allows_another_sender(&self) -> bool {
        match self {
            Self::Refused { fault, .. } => *fault != Fault::Recipient,
            Self::Later { .. } => true,
            Self::Accepted { .. } | Self::Unknown { .. } => false,
        }
    }

    /// Whether the key itself was refused.
    #[must_use]
    pub fn is_bad_key(&self) -> bool {
        matches!(self, Self::Refused { fault: Fault::Key, .. })
    }

    /// Whether a setting was refused that the admin may have changed since: the key, its API or the sender.
    #[must_use]
    pub fn is_of_the_settings(&self) -> bool {
        matches!(self, Self::Refused { fault: Fault::Key | Fault::Sender, .. })
    }
}

/// Whose fault a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The number, or a decision of its owner.
    Recipient,
    /// The key. The operator must act, as for the next two.
    Key,
    /// The sender, or the API that the key is for.
    Sender,
    /// The account: its balance, its state, or what this service asked of it.
    Account,
}
