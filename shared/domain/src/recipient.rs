//! Where a message goes, and by which channel.

use serde::{Deserialize, Serialize};

use crate::{email::EmailAddress, phone::PhoneNumber};

/// How a code travels. The event sources of `send-sms` and `send-email` filter on the stored form; SMS, the only channel
/// of earlier versions, is stored by leaving it out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Channel {
    #[default]
    Sms,
    Email,
    /// No message is sent: the user enters something else than a code.
    None,
}

impl Channel {
    #[must_use]
    pub fn is_sms(&self) -> bool {
        *self == Self::Sms
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A number, an address, or nobody at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub enum Recipient {
    Phone(PhoneNumber),
    Email(EmailAddress),
    /// For a challenge whose channel is [`Channel::None`].
    Nobody,
}

impl Recipient {
    #[must_use]
    pub fn channel(&self) -> Channel {
        match self {
            Self::Phone(_) => Channel::Sms,
            Self::Email(_) => Channel::Email,
            Self::Nobody => Channel::None,
        }
    }

    #[must_use]
    pub fn phone(&self) -> Option<&PhoneNumber> {
        match self {
            Self::Phone(phone) => Some(phone),
            _ => None,
        }
    }

    #[must_use]
    pub fn email(&self) -> Option<&EmailAddress> {
        match self {
            Self::Email(email) => Some(email),
            _ => None,
        }
    }

    /// The text by which two spellings of one recipient are equal. Numbers begin with `+`, addresses contain `@`.
    #[must_use]
    pub fn normalised(&self) -> String {
        match self {
            Self::Phone(phone) => phone.e164().to_owned(),
            Self::Email(email) => email.normalised(),
            Self::Nobody => String::new(),
        }
    }

    /// All that a caller who may not be the owner gets to see; `None` if no message is sent.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Phone(phone) => Some(phone.hint()),
            Self::Email(email) => Some(email.hint()),
            Self::Nobody => None,
        }
    }
}

/// The stored form: earlier versions have only `phone`.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<PhoneNumber>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<EmailAddress>,
}

impl From<Stored> for Recipient {
    fn from(Stored { phone, email }: Stored) -> Self {
        match (phone, email) {
            (Some(phone), _) => Self::Phone(phone),
            (None, Some(email)) => Self::Email(email),
            (None, None) => Self::Nobody,
        }
    }
}

impl From<Recipient> for Stored {
    fn from(recipient: Recipient) -> Self {
        match recipient {
            Recipient::Phone(phone) => Self { phone: Some(phone), email: None },
            Recipient::Email(email) => Self { phone: None, email: Some(email) },
            Recipient::Nobody => Self { phone: None, email: None },
        }
    }
}

impl From<PhoneNumber> for Recipient {
    fn from(phone: PhoneNumber) -> Self {
        Self::Phone(phone)
    }
}

impl From<EmailAddress> for Recipient {
    fn from(email: EmailAddress) -> Self {
        Self::Email(email)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_recipient_is_stored_under_the_name_of_its_channel() {
        let phone = Recipient::Phone(PhoneNumber::parse("+14155552671").unwrap());
        let email = Recipient::Email(EmailAddress::parse("Ada@example.com").unwrap());
        for (recipient, stored) in [
            (phone, json!({"phone": "+14155552671"})),
            (email, json!({"email": "Ada@example.com"})),
            (Recipient::Nobody, json!({})),
        ] {
            assert_eq!(serde_json::to_value(&recipient).unwrap(), stored);
            assert_eq!(serde_json::from_value::<Recipient>(stored).unwrap(), recipient);
        }
    }
}
