//! Notices: messages without a code, such as the one to a number that was removed from an account.

use std::sync::Arc;

use twostep_crypto::KeyRing;
use twostep_domain::{
    challenge::{Challenge, DeliveryFailure, Payload, Purpose},
    ids::{ChallengeKey, UserId},
    language::Language,
    notice_reserve::{OF_ACCOUNT, with_reserve},
    one_time_code::OneTimeCode,
    phone::PhoneNumber,
    time::Clock,
};
use twostep_runtime::{config::ConfigError, entropy};
use twostep_stores::{SlidingWindowStore, Tables, sliding_window::LimitError, transaction::Write};

use super::reservation::{MessageIntent, Reservation, ReserveError, Spending};
use crate::codes::Challenges;

/// The notice to a number that was removed from the account of `user`. Save it together with that change.
pub(crate) fn write(
    challenges: &Challenges,
    ring: &KeyRing,
    user: &UserId,
    phone: &PhoneNumber,
    language: Language,
) -> Write {
    let (rng, now) = (&mut entropy::system(), challenges.clock.now());
    let key = ChallengeKey::random(rng);
    let payload = Payload {
        code: OneTimeCode::random(rng),
        phone: Some(phone.clone()),
        language,
        weighed: true,
        purpose: Purpose::Notice { user: Some(user.clone()) },
    };
    let sealed = ring.seal(key.as_str(), &payload, now, rng);
    challenges.store.insert(&Challenge::notice(&key, sealed, now, &challenges.policy))
}

/// Reserves notices.
pub(crate) struct Notices {
    clock: Arc<dyn Clock>,
    windows: SlidingWindowStore,
}

impl Notices {
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
