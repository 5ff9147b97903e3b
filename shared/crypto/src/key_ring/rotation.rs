//! What a rotation changes in the keys secret, and what it must not change.
//!
//! Every user of the keys works with an old copy of them: functions cache the secret for five minutes, and API Gateway
//! caches the published signing keys for two hours. So a new key is written long before it is used, and an old one stays
//! for as long as anything that was made with it is still valid. The pepper never changes: it names challenges.

use std::time::Duration;

use rand::CryptoRng;
use secrecy::SecretString;
use twostep_domain::time::{HOUR, MINUTE, Timestamp};

use super::{
    DATA_KEY_OUTLIVES, KeysError, KeysSecret, SIGNING_KEY_OUTLIVES, first_living,
    secret::{DataKeyEntry, SigningKeyEntry},
};

/// How long before its first use a key is written. It is longer than [`SHORTEST_NOTICE`] because a rotation that fails
/// half-way is resumed later with the keys that it had made.
pub const NOTICE: Duration = Duration::from_secs(3 * HOUR.as_secs());

/// API Gateway's two hours, and ten minutes for functions that still publish an older copy.
const SHORTEST_NOTICE: Duration = Duration::from_secs(2 * HOUR.as_secs() + 10 * MINUTE.as_secs());

#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("the new keys have a different pepper")]
    PepperChanged,
    #[error("the new keys omit a key that is still in use")]
    KeyLost,
    #[error("a new key would be used before every cache has it")]
    TooSoon,
}

/// The successor of `present`: without the keys that are no longer needed, and with a new key of each kind.
///
/// # Errors
/// If no RSA key can be generated.
pub fn next(present: &KeysSecret, now: Timestamp, rng: &mut dyn CryptoRng) -> Result<KeysSecret, KeysError> {
    let use_from = now.plus(NOTICE);
    let new = (DataKeyEntry::random(use_from, rng), SigningKeyEntry::random(use_from, rng)?);
    Ok(with(present, now, new))
}

fn with(present: &KeysSecret, now: Timestamp, new: (DataKeyEntry, SigningKeyEntry)) -> KeysSecret {
    let mut next = KeysSecret {
        pepper: present.pepper.clone(),
        data_keys: living_data_keys(present, now).to_vec(),
        signing_keys: living_signing_keys(present, now).to_vec(),
    };
    next.data_keys.push(new.0);
    next.signing_keys.push(new.1);
    next
}

/// Checks that `next` can replace `present`, if there are keys already.
///
/// # Errors
/// [`RotationError`], which names what would go wrong.
pub fn check(present: Option<&KeysSecret>, next: &SecretString, now: Timestamp) -> Result<(), RotationError> {
    let next = KeysSecret::parse(next)?;
    next.ring()?.prove_signing_keys()?;
    let Some(present) = present else { return Ok(()) };
    if next.pepper != present.pepper {
        return Err(RotationError::PepperChanged);
    }
    let keeps_data = living_data_keys(present, now).iter().all(|key| next.data_keys.contains(key));
    let keeps_signing = living_signing_keys(present, now).iter().all(|key| next.signing_keys.contains(key));
    if !(keeps_data && keeps_signing) {
        return Err(RotationError::KeyLost);
    }
    let new_data = next.data_keys.iter().filter(|key| !present.data_keys.contains(key)).map(|key| key.use_from);
    let new_signing =
        next.signing_keys.iter().filter(|key| !present.signing_keys.contains(key)).map(|key| key.use_from);
    let earliest = now.plus(SHORTEST_NOTICE);
    if new_data.chain(new_signing).any(|use_from| use_from < earliest) {
        return Err(RotationError::TooSoon);
    }
    Ok(())
}

fn living_data_keys(secret: &KeysSecret, now: Timestamp) -> &[DataKeyEntry] {
    &secret.data_keys[first_living(secret.data_keys.iter().map(|key| key.use_from), DATA_KEY_OUTLIVES, now)..]
}

fn living_signing_keys(secret: &KeysSecret, now: Timestamp) -> &[SigningKeyEntry] {
    &secret.signing_keys[first_living(secret.signing_keys.iter().map(|key| key.use_from), SIGNING_KEY_OUTLIVES, now)..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use twostep_domain::{
        account::AccountSnapshot,
        ids::{SessionId, UserId},
        session::Session,
        sign_in::SignIn,
    };

    use crate::{access_token::Issuer, key_ring::KeyRing};

    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;

    fn first(rng: &mut StdRng) -> KeysSecret {
        KeysSecret::first(Timestamp(0), rng).unwrap()
    }

    #[test]
    fn a_month_after_a_rotation_one_previous_key_of_each_kind_is_left() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut secret = first(&mut rng);
        for month in 1..6 {
            let now = Timestamp(month * 30 * DAY);
            let next = next(&secret, now, &mut rng).unwrap();
            check(Some(&secret), &next.write(), now).unwrap();
            assert_eq!((next.data_keys.len(), next.signing_keys.len()), (2, 2));
            assert_eq!(next.pepper, secret.pepper);
            secret = next;
        }
    }

    #[test]
    fn a_rotation_that_would_break_something_is_refused() {
        let mut rng = StdRng::seed_from_u64(1);
        let (present, now) = (first(&mut rng), Timestamp(DAY));
        let error = |next: &KeysSecret, now| check(Some(&present), &next.write(), now).unwrap_err();
        let good = || next(&present, now, &mut StdRng::seed_from_u64(2)).unwrap();

        assert!(matches!(error(&first(&mut rng), now), RotationError::PepperChanged));
        let mut lost = good();
        lost.signing_keys.remove(0);
        assert!(matches!(error(&lost, now), RotationError::KeyLost));
        let mut lost = good();
        lost.data_keys.remove(0);
        assert!(matches!(error(&lost, now), RotationError::KeyLost));
        // It was made in time, but resumed too late.
        let much_later = now.plus(Duration::from_secs(51 * 60));
        assert!(matches!(error(&good(), much_later), RotationError::TooSoon));
        check(Some(&present), &good().write(), now.plus(Duration::from_secs(50 * 60))).unwrap();
        assert!(matches!(
            check(Some(&present), &KeysSecret::PLACEHOLDER.to_owned().into(), now),
            Err(RotationError::Keys(KeysError::NotCreated))
        ));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// At any times of rotation, a function whose keys are at most five minutes old accepts what another such function
        /// made, for as long as that is valid. So does API Gateway with keys that it read two hours ago from such a
        /// function.
        #[test]
        fn every_cached_copy_of_the_keys_accepts_what_every_other_made(
            gaps in prop::collection::vec(prop_oneof![1..10 * MINUTE, MINUTE..6 * HOUR, DAY..40 * DAY], 1..6),
            moments in prop::collection::vec((0..100 * DAY, 0..=5 * MINUTE, 0..=5 * MINUTE), 8),
        ) {
            let mut rng = StdRng::seed_from_u64(3);
            let mut secret = KeysSecret::first(Timestamp(0), &mut rng).unwrap();
            let template = secret.signing_keys[0].clone();
            // When each ring began to be the present one.
            let mut rings: Vec<(i64, KeyRing)> = vec![(0, secret.ring().unwrap())];
            for gap in gaps {
                let at = rings.last().unwrap().0 + gap;
                let use_from = Timestamp(at).plus(NOTICE);
                let new = (DataKeyEntry::random(use_from, &mut rng), template.again(use_from, &mut rng));
                secret = with(&secret, Timestamp(at), new);
                rings.push((at, secret.ring().unwrap()));
            }
            let read_at = |moment: i64| {
                let found = rings.iter().rfind(|(from, _)| *from <= moment.max(0));
                &found.unwrap().1
            };
            let issuer = Issuer { issuer: "https://auth.example".into(), audience: "twostep".into() };
            let account =
                AccountSnapshot { user_id: UserId::from_stored("ann"), epoch: 0, has_password: false, verified_at: None };
            let turns = rings.iter().map(|(at, _)| *at + 3 * HOUR);
            let interesting: Vec<i64> = turns.flat_map(|turn| [turn - 1, turn, turn + 9 * MINUTE]).collect();
            let random = moments.iter().map(|(moment, ..)| *moment);
            for (index, now) in random.chain(interesting).enumerate() {
                let (_, age, other_age) = moments[index % moments.len()];
                let maker = read_at(now - age);
                let sign_in = SignIn::by_phone(Timestamp(now));
                let session = Session::begin(SessionId::from_stored("s"), String::new(), &account, sign_in, None);
                let token = issuer.issue(maker, &session, Timestamp(now), &mut rng);
                for later in [0, 5 * MINUTE, 10 * MINUTE - 1] {
                    let at = now + later;
                    prop_assert!(issuer.check(read_at(at - other_age), &token, Timestamp(at)).is_ok());
                    let gateway = read_at(at - 2 * HOUR - other_age);
                    let published: Vec<_> = gateway.jwks(Timestamp(at - 2 * HOUR)).collect();
                    let kid = jsonwebtoken::decode_header(&token).unwrap().kid;
                    prop_assert!(published.iter().any(|jwk| jwk.common.key_id == kid));
                }
                let sealed = maker.seal("here", &"words", Timestamp(now), &mut rng);
                for later in [0, 5 * MINUTE, DAY, 6 * DAY] {
                    let reader = read_at(now + later - other_age);
                    prop_assert_eq!(reader.open::<String>("here", &sealed, Timestamp(now + later)).unwrap(), "words");
                }
            }
        }
    }
}
