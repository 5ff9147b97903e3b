//! Notices: messages without a code, such as the one to a number that was removed from an account.

use twostep_crypto::KeyRing;
use twostep_domain::{
    challenge::{Challenge, Payload, Purpose},
    ids::ChallengeKey,
    language::Language,
    one_time_code::OneTimeCode,
    phone::PhoneNumber,
};
use twostep_runtime::entropy;
use twostep_stores::transaction::Write;

use crate::codes::Challenges;

/// The notice to a number that was removed from an account. Save it together with that change.
pub(crate) fn write(challenges: &Challenges, ring: &KeyRing, phone: &PhoneNumber, language: Language) -> Write {
    let (rng, now) = (&mut entropy::system(), challenges.clock.now());
    let key = ChallengeKey::random(rng);
    let payload = Payload { code: OneTimeCode::random(rng), phone: phone.clone(), language, purpose: Purpose::Notice };
    let sealed = ring.seal(key.as_str(), &payload, now, rng);
    challenges.store.insert(&Challenge::notice(&key, sealed, now, &challenges.policy))
}
