//! Notices: messages without a code that tell the owner of an account of a change to it.

use twostep_crypto::KeyRing;
use twostep_domain::{
    account::User,
    challenge::{Challenge, Notice, Payload, Purpose},
    email::EmailAddress,
    ids::ChallengeKey,
    language::Language,
    one_time_code::OneTimeCode,
    phone::PhoneNumber,
    recipient::Recipient,
};
use twostep_runtime::{
    config::{self, ConfigError},
    entropy,
};
use twostep_stores::{Tables, transaction::Write};

use crate::codes::Challenges;

/// Makes notices. Save each together with the change that it tells of.
pub struct Notices {
    challenges: Challenges,
    email_is_on: bool,
}

impl Notices {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        let email_is_on = config::email_from(tables.env())?.is_some();
        Ok(Self { challenges: Challenges::open(tables)?, email_is_on })
    }

    /// The notice to a number that was removed from an account.
    pub(crate) fn to_removed_number(&self, ring: &KeyRing, phone: &PhoneNumber, language: Language) -> Write {
        self.write(ring, phone.clone().into(), Notice::PhoneRemoved, language)
    }

    /// The notice to the user, if the account has a verified address.
    pub(crate) fn to_user(&self, ring: &KeyRing, user: &User, about: Notice, language: Language) -> Option<Write> {
        self.to_address(ring, user.verified_email()?, about, language)
    }

    pub(crate) fn to_address(
        &self,
        ring: &KeyRing,
        email: &EmailAddress,
        about: Notice,
        language: Language,
    ) -> Option<Write> {
        self.email_is_on.then(|| self.write(ring, email.clone().into(), about, language))
    }

    fn write(&self, ring: &KeyRing, to: Recipient, about: Notice, language: Language) -> Write {
        let (rng, now) = (&mut entropy::system(), self.challenges.clock.now());
        let (key, channel) = (ChallengeKey::random(rng), to.channel());
        let payload = Payload { code: OneTimeCode::random(rng), to, language, purpose: Purpose::Notice { about } };
        let sealed = ring.seal(key.as_str(), &payload, now, rng);
        self.challenges.store.insert(&Challenge::notice(&key, channel, sealed, now, &self.challenges.policy))
    }
}
