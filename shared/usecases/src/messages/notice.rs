//! Notices: messages without a code that tell the owner of an account of a change to it.

use std::sync::Arc;

use twostep_crypto::KeyRing;
use twostep_domain::{
    account::User,
    challenge::{Challenge, DeliveryFailure, Notice, Payload, Purpose},
    email::EmailAddress,
    ids::{ChallengeKey, UserId},
    language::Language,
    notice_reserve::{OF_ACCOUNT, with_reserve},
    one_time_code::OneTimeCode,
    phone::PhoneNumber,
    recipient::Recipient,
    time::Clock,
};
use twostep_runtime::{
    config::{self, ConfigError},
    entropy,
};
use twostep_stores::{SlidingWindowStore, Tables, sliding_window::LimitError, transaction::Write};

use super::reservation::{MessageIntent, Reservation, ReserveError, Spending};
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

    /// The notice to a number that was removed from the account of `user`.
    pub(crate) fn to_removed_number(
        &self,
        ring: &KeyRing,
        user: &UserId,
        phone: &PhoneNumber,
        language: Language,
    ) -> Write {
        self.write(ring, user, phone.clone().into(), Notice::PhoneRemoved, language)
    }

    /// The notice to the user, if the account has a verified address.
    pub(crate) fn to_user(&self, ring: &KeyRing, user: &User, about: Notice, language: Language) -> Option<Write> {
        self.to_address(ring, &user.id, user.verified_email()?, about, language)
    }

    pub(crate) fn to_address(
        &self,
        ring: &KeyRing,
        user: &UserId,
        email: &EmailAddress,
        about: Notice,
        language: Language,
    ) -> Option<Write> {
        self.email_is_on.then(|| self.write(ring, user, email.clone().into(), about, language))
    }

    fn write(&self, ring: &KeyRing, user: &UserId, to: Recipient, about: Notice, language: Language) -> Write {
        let (rng, now) = (&mut entropy::system(), self.challenges.clock.now());
        let (key, channel) = (ChallengeKey::random(rng), to.channel());
        let purpose = Purpose::Notice { about, user: Some(user.clone()) };
        let payload = Payload { code: OneTimeCode::random(rng), to, language, weighed: true, purpose };
        let sealed = ring.seal(key.as_str(), &payload, now, rng);
        self.challenges.store.insert(&Challenge::notice(&key, channel, sealed, now, &self.challenges.policy))
    }
}

/// Reserves notices to numbers.
pub(crate) struct NoticeReserve {
    clock: Arc<dyn Clock>,
    windows: SlidingWindowStore,
}

impl NoticeReserve {
    pub(crate) fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self { clock: tables.clock(), windows: tables.sliding_windows()? })
    }

    /// Reserves a notice in the budgets, or in the reserve if those have no room for it.
    pub(crate) async fn reserve(
        &self,
        spending: &Spending,
        intent: &MessageIntent<'_>,
        user: Option<&UserId>,
    ) -> Result<Reservation, ReserveError> {
        let refusal = match spending.reserve(intent).await {
            Err(ReserveError::Refused(failure @ (DeliveryFailure::BudgetSpent | DeliveryFailure::HeldBack))) => failure,
            reserved => return reserved,
        };
        // Notices of earlier versions do not tell whose they are. They wait for the budget.
        let Some(user) = user else { return Err(ReserveError::Refused(refusal)) };
        let (id, now) = (intent.pepper.hide("quota|notices", user.as_str()), self.clock.now());
        match self.windows.reserve(&id, &[OF_ACCOUNT], now).await {
            Ok(_) => {}
            Err(LimitError::Reached(_)) => return Err(ReserveError::Refused(refusal)),
            Err(LimitError::Table(error)) => return Err(error.into()),
        }
        let country = intent.settings.allowed_countries.check(intent.phone).ok();
        let price = country.map_or(intent.settings.prices.default, |country| intent.settings.prices.of(country));
        let settings = with_reserve(intent.settings, price);
        let reserved = spending.reserve(&MessageIntent { settings: &settings, ..*intent }).await;
        if reserved.is_err()
            && let Err(error) = self.windows.release(&id, SlidingWindowStore::LIST, now).await
        {
            tracing::warn!(%error, "a notice that was not sent stays counted");
        }
        reserved
    }
}
