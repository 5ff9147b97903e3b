//! What a challenge is for, and what it carries for that purpose. The payload is stored sealed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    account::{AccountSnapshot, PhoneTrust},
    email::EmailAddress,
    ids::{ClientId, SessionId, UserId},
    language::Language,
    one_time_code::OneTimeCode,
    phone::PhoneNumber,
    proof::Proof,
    recipient::Recipient,
    time::Timestamp,
};

/// What a challenge is for, with the data that only this purpose has.
///
/// An account is carried as the start saw it. The transaction that uses the code proves that it has not changed, which
/// saves a read in between.
#[derive(Clone, Debug, Serialize, Deserialize, strum::EnumDiscriminants)]
#[serde(tag = "purpose", rename_all = "snake_case")]
#[strum_discriminants(name(PurposeName))]
#[strum_discriminants(derive(strum::IntoStaticStr))]
#[strum_discriminants(strum(serialize_all = "snake_case"))]
#[strum_discriminants(doc = "The name of a purpose, as responses and metrics show it.")]
pub enum Purpose {
    /// Register with a phone.
    Register,
    /// Sign in with a phone.
    Login {
        /// The account that owns the number; `None` for a decoy.
        account: Option<AccountSnapshot>,
    },
    /// Complete a sign-in that began with a password.
    SecondStep {
        account: AccountSnapshot,
        /// Whether the code of an app or a recovery code may be entered in place of the code.
        #[serde(default)]
        totp: bool,
        #[serde(default)]
        recovery_code: bool,
    },
    /// Verify a number for the profile.
    Profile(PhoneChange),
    /// Verify an email address for the profile.
    Email(EmailChange),
    /// Take the first step of a password reset.
    Reset {
        /// The account that owns the number or address; `None` for a decoy.
        account: Option<AccountSnapshot>,
    },
    /// Take the second step of a password reset.
    ResetSecondStep {
        account: AccountSnapshot,
        /// How the first step was taken; the second is another.
        first: Proof,
        /// Whether the code of an app or a recovery code may be entered in place of the code.
        #[serde(default)]
        totp: bool,
        #[serde(default)]
        recovery_code: bool,
    },
    /// Verify a number for a client that keeps its own accounts.
    Verification(ClientVerification),
    /// No question at all: a notice of a change of the account.
    Notice {
        /// What changed. Earlier versions knew only one notice.
        #[serde(default)]
        about: Notice,
        /// Whose account it was, for a notice to a number.
        #[serde(default)]
        user: Option<UserId>,
    },
}

/// What a second step accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum SecondStepMethod {
    Sms,
    Email,
    Totp,
    RecoveryCode,
}

/// The change that a notice tells of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, strum::EnumIter)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    PasswordChanged,
    PasswordReset,
    PhoneChanged,
    #[default]
    PhoneRemoved,
    /// The number was registered by its new owner, while the account was idle.
    PhoneTakenOver,
    EmailChanged,
    RecoveryCodesReplaced,
    TotpAdded,
    TotpRemoved,
}

/// A number that is to be verified for an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PhoneChange {
    pub account: AccountSnapshot,
    /// The number that the account gives up.
    pub former_phone: Option<PhoneNumber>,
    /// The session that asked. It is the only one that outlives the change.
    pub session: SessionId,
    /// The account has a password and no second step yet, so recovery codes come with the number.
    #[serde(default)]
    pub turns_two_step_on: bool,
    /// The session began with a password, so the code makes it a two-step session.
    #[serde(default)]
    pub after_password: bool,
}

/// An email address that is to be verified for an account: the present one, or a new one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EmailChange {
    pub account: AccountSnapshot,
    /// The address that the account had when the code was requested.
    pub former: EmailAddress,
    /// The session that asked. The change ends with it, and it is the only one that outlives the change.
    pub session: SessionId,
}

/// What a client wants to know: whether its user has this number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientVerification {
    pub client: ClientId,
    /// The client's own word for it, which comes back with the result.
    #[serde(default)]
    pub reference: Option<Reference>,
}

/// A client's own word for a verification: at most 200 printable characters. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reference(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a reference has at most 200 printable characters")]
pub struct InvalidReference;

impl Reference {
    const LONGEST: usize = 200;

    /// # Errors
    /// [`InvalidReference`]
    pub fn parse(input: &str) -> Result<Self, InvalidReference> {
        let is_valid = input.chars().count() <= Self::LONGEST && !input.chars().any(char::is_control);
        if is_valid { Ok(Self(input.to_owned())) } else { Err(InvalidReference) }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reference(…)")
    }
}

impl PurposeName {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether there is no challenge without a message. A second step begins without one too: something else than its code
    /// can be entered.
    #[must_use]
    pub fn needs_message(self) -> bool {
        !matches!(self, Self::SecondStep | Self::ResetSecondStep)
    }

    /// Whether a caller who has proven nothing can ask for such a code, which then may be a decoy. Nothing about such a
    /// challenge may tell whether it is one.
    #[must_use]
    pub fn can_be_decoy(self) -> bool {
        matches!(self, Self::Login | Self::Reset)
    }
}

impl Purpose {
    #[must_use]
    pub fn name(&self) -> PurposeName {
        self.into()
    }

    /// The account, where the start knew one.
    #[must_use]
    pub fn account(&self) -> Option<&AccountSnapshot> {
        match self {
            Self::Login { account } | Self::Reset { account } => account.as_ref(),
            Self::SecondStep { account, .. } | Self::ResetSecondStep { account, .. } => Some(account),
            Self::Profile(change) => Some(&change.account),
            Self::Email(change) => Some(&change.account),
            Self::Register | Self::Verification(_) | Self::Notice { .. } => None,
        }
    }

    /// The verification, if a client asked for it.
    #[must_use]
    pub fn verification(&self) -> Option<&ClientVerification> {
        match self {
            Self::Verification(verification) => Some(verification),
            _ => None,
        }
    }

    fn session(&self) -> Option<&SessionId> {
        match self {
            Self::Profile(change) => Some(&change.session),
            Self::Email(change) => Some(&change.session),
            _ => None,
        }
    }

    /// Whether a code that was made for `self` is of use to a caller who asks for `other` now. A code for a sign-in or a
    /// reset follows the owner of the number or address, whatever else has changed about the account; other codes are for
    /// the account as it was.
    #[must_use]
    pub fn serves(&self, other: &Self) -> bool {
        let id = |purpose: &Self| purpose.account().map(|account| account.user_id.clone());
        let same_account = other.name().can_be_decoy() || self.account() == other.account();
        let same_first_step = match (self, other) {
            (Self::ResetSecondStep { first, .. }, Self::ResetSecondStep { first: other, .. }) => first == other,
            _ => true,
        };
        id(self) == id(other) && same_account && same_first_step
    }

    /// Whether both come from the same session, where the purpose has one, and a client calls them by the same reference.
    #[must_use]
    pub fn same_session(&self, other: &Self) -> bool {
        self.session() == other.session() && self.verification() == other.verification()
    }
}

/// What a challenge carries, sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Payload {
    pub code: OneTimeCode,
    #[serde(flatten)]
    pub to: Recipient,
    /// The language of the request that made this code; the message is written in it.
    #[serde(default)]
    pub language: Language,
    /// Whether the breaker weighs the person who is asked. Of the people whom one client IP asks in an hour, it weighs only
    /// a few, so that no client IP can close a country.
    #[serde(default = "weighed")]
    pub weighed: bool,
    #[serde(flatten)]
    pub purpose: Purpose,
}

fn weighed() -> bool {
    true
}

impl Payload {
    /// How far a number was trusted when the challenge started.
    #[must_use]
    pub fn phone_trust(&self, now: Timestamp) -> PhoneTrust {
        let of = |account: &AccountSnapshot| PhoneTrust::verified_at(account.verified_at, now);
        match &self.purpose {
            // A number that is told of its removal was verified before.
            Purpose::Notice { .. } => PhoneTrust::Established,
            Purpose::Login { account } | Purpose::Reset { account } => account.as_ref().map_or(PhoneTrust::New, of),
            Purpose::SecondStep { account, .. } | Purpose::ResetSecondStep { account, .. } => of(account),
            Purpose::Profile(change) if change.former_phone.as_ref() == self.to.phone() => of(&change.account),
            Purpose::Register | Purpose::Profile(_) | Purpose::Email(_) | Purpose::Verification(_) => PhoneTrust::New,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As 0.1.0 wrote it: every field of every purpose, `null` where the purpose has none.
    fn written_by_0_1_0(purpose: &str, account: &serde_json::Value) -> Payload {
        serde_json::from_value(json!({
            "code": "123456", "phone": "+14155552671", "purpose": purpose, "account": account,
            "former_phone": "+14155552672", "session": "s", "turns_two_step_on": true, "after_password": false,
            "language": "es",
        }))
        .expect(purpose)
    }

    #[test]
    fn payloads_of_0_1_0_are_read() {
        let ann = json!({"user_id": "ann", "epoch": 3, "has_password": true, "proven_at": 5});
        assert!(matches!(written_by_0_1_0("register", &json!(null)).purpose, Purpose::Register));
        assert!(matches!(written_by_0_1_0("login", &json!(null)).purpose, Purpose::Login { account: None }));
        let notice = written_by_0_1_0("notice", &json!(null));
        assert!(matches!(notice.purpose, Purpose::Notice { about: Notice::PhoneRemoved, user: None }));
        assert_eq!(notice.to.phone().map(PhoneNumber::e164), Some("+14155552671"));
        let step = written_by_0_1_0("second_step", &ann);
        assert_eq!(step.purpose.account().map(|account| account.epoch), Some(3));
        let Purpose::Profile(change) = written_by_0_1_0("profile", &ann).purpose else { panic!("a phone change") };
        assert_eq!(change.session, SessionId::from_stored("s"));
        assert!(change.turns_two_step_on && change.former_phone.is_some());
        assert_eq!(written_by_0_1_0("register", &json!(null)).language, Language::Spanish);
    }

    #[test]
    fn a_reference_is_printable_and_never_printed() {
        let reference = Reference::parse("order 7 · señora").unwrap();
        assert_eq!(format!("{reference:?}"), "Reference(…)");
        assert!(Reference::parse(&"é".repeat(200)).is_ok());
        for wrong in ["a\nb", "\u{7f}", &"x".repeat(201)] {
            assert!(Reference::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_payload_is_read_back_and_fields_of_a_later_version_are_ignored() {
        let payload = written_by_0_1_0("login", &json!(null));
        let mut stored = serde_json::to_value(&payload).unwrap();
        stored["added_later"] = json!({"a": 1});
        let read: Payload = serde_json::from_value(stored).unwrap();
        assert_eq!(read.purpose.name(), PurposeName::Login);
        assert_eq!(read.to, payload.to);
    }

    #[test]
    fn payloads_of_every_channel_are_read_back() {
        let account: AccountSnapshot = serde_json::from_value(json!({"user_id": "ann", "epoch": 3})).unwrap();
        let (email, session) = (EmailAddress::parse("ada@example.com").unwrap(), SessionId::from_stored("s"));
        let change = EmailChange { account: account.clone(), former: email.clone(), session };
        for (to, purpose) in [
            (Recipient::Email(email.clone()), Purpose::Email(change)),
            (Recipient::Email(email), Purpose::Reset { account: None }),
            (
                Recipient::Nobody,
                Purpose::ResetSecondStep { account, first: Proof::Phone, totp: true, recovery_code: false },
            ),
        ] {
            let name = purpose.name();
            let code = OneTimeCode::parse("123456").unwrap();
            let payload = Payload { code, to, language: Language::Spanish, weighed: true, purpose };
            let read: Payload = serde_json::from_value(serde_json::to_value(&payload).unwrap()).unwrap();
            assert_eq!((read.purpose.name(), &read.to), (name, &payload.to));
            assert_eq!(read.purpose.account(), payload.purpose.account());
        }
    }
}
