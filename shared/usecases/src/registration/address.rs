//! The code that verifies the email address of a new account.

use twostep_crypto::KeyRing;
use twostep_domain::{
    account::User,
    challenge::{Purpose, PurposeName, purpose::EmailChange},
    ids::SessionId,
    language::Language,
    recipient::Recipient,
};
use twostep_runtime::config::{self, ConfigError};
use twostep_stores::{Tables, transaction::Write};

use crate::{
    codes::{ChallengeError, ChallengeView, Challenges, challenges::NewCode},
    outage::Outage,
};

pub(super) struct AddressCheck {
    challenges: Challenges,
    email_is_on: bool,
}

impl AddressCheck {
    pub(super) fn open(tables: &Tables) -> Result<Self, ConfigError> {
        let email_is_on = config::email_from(tables.env())?.is_some();
        Ok(Self { challenges: Challenges::open(tables)?, email_is_on })
    }

    /// The challenge and the write that sends its code, for the transaction that creates the account; `None` if email is
    /// off.
    pub(super) fn of_new_account(
        &self,
        ring: &KeyRing,
        user: &User,
        session: &SessionId,
        language: Language,
    ) -> Result<Option<(ChallengeView, Write)>, Outage> {
        if !self.email_is_on {
            return Ok(None);
        }
        let to = Recipient::from(user.email.clone());
        let key = Challenges::key(ring, PurposeName::Email, Some(&user.id), &to);
        let change = EmailChange { account: user.snapshot(), former: user.email.clone(), session: session.clone() };
        let new = NewCode { to: &to, purpose: Purpose::Email(change), language, decoy: false };
        match self.challenges.first(ring, &key, new) {
            Ok(check) => Ok(Some(check)),
            Err(ChallengeError::Outage(outage)) => Err(outage),
            Err(ChallengeError::TooManyCodes { .. }) => unreachable!("a new account has had no codes"),
        }
    }
}
