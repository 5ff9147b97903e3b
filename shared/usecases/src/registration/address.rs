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
    signed_in::SignedIn,
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

    /// An earlier registration with the challenge that it gave, as that is now.
    pub(super) async fn again(&self, ring: &KeyRing, again: Option<SignedIn>) -> Result<Option<SignedIn>, Outage> {
        let Some(signed_in) = again else { return Ok(None) };
        if !self.email_is_on {
            return Ok(Some(signed_in));
        }
        let to = Recipient::from(signed_in.user.email.clone());
        let key = Challenges::key(ring, PurposeName::Email, Some(&signed_in.user.id), &to);
        let email_challenge = match self.challenges.store.find(&key).await? {
            Some(found) => Some(self.challenges.view(ring, &found, &self.challenges.payload(ring, &found)?)),
            None => None,
        };
        Ok(Some(SignedIn { email_challenge, ..signed_in }))
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
        match self.challenges.first(ring, &key, &new) {
            Ok(check) => Ok(Some(check)),
            Err(ChallengeError::Outage(outage)) => Err(outage),
            Err(ChallengeError::TooManyCodes { .. } | ChallengeError::TooManyRequests { .. }) => {
                unreachable!("a new account has had no codes")
            }
        }
    }
}
