//! Challenge ids, and the table keys that they lead to.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use twostep_domain::{
    challenge::PurposeName,
    ids::{ChallengeKey, ClientId, UserId},
    phone::PhoneNumber,
    recipient::Recipient,
};

use crate::pepper::Pepper;

/// The table key of the challenge of one (purpose, subject, recipient): an HMAC, so the table shows no phone number and no
/// address. `subject` is the user who asks, where the purpose knows one. There is no recipient where something else than a
/// code is entered.
#[must_use]
pub fn derive_key(pepper: &Pepper, purpose: PurposeName, subject: Option<&UserId>, to: &Recipient) -> ChallengeKey {
    let subject = subject.map_or("", UserId::as_str);
    let name = format!("challenge-key|{}|{subject}|{}", purpose.as_str(), to.normalised());
    ChallengeKey::from_bytes(pepper.authenticate(name.as_bytes()).as_ref())
}

/// The table key of the challenge of one (client, phone): each client has challenges of its own.
#[must_use]
pub fn derive_client_key(pepper: &Pepper, client: &ClientId, phone: &PhoneNumber) -> ChallengeKey {
    let name = format!("challenge-key|verification|{}|{}", client.as_str(), phone.e164());
    ChallengeKey::from_bytes(pepper.authenticate(name.as_bytes()).as_ref())
}

/// What a client holds: `base64url(key ‖ HMAC(pepper, key | issue))`. It is opaque and stored nowhere, and it stops working
/// once a newer code is issued.
pub struct ChallengeId {
    key: ChallengeKey,
    tag: Vec<u8>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a valid challenge ID")]
pub struct InvalidChallengeId;

impl ChallengeId {
    #[must_use]
    pub fn write(pepper: &Pepper, key: &ChallengeKey, issue: u64) -> String {
        let mut bytes = key.to_bytes();
        bytes.extend_from_slice(pepper.authenticate(&Self::signed(key, issue)).as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// # Errors
    /// [`InvalidChallengeId`] unless it has the form of one. [`ChallengeId::names`] tells whether it names a challenge.
    pub fn parse(input: &str) -> Result<Self, InvalidChallengeId> {
        // Checked before decoding, so that a long path segment costs nothing.
        if input.len() > 2 * 2 * ChallengeKey::BYTES {
            return Err(InvalidChallengeId);
        }
        let bytes = URL_SAFE_NO_PAD.decode(input).map_err(|_| InvalidChallengeId)?;
        let (key, tag) = bytes.split_at_checked(ChallengeKey::BYTES).ok_or(InvalidChallengeId)?;
        Ok(Self { key: ChallengeKey::from_bytes(key), tag: tag.to_vec() })
    }

    #[must_use]
    pub fn key(&self) -> &ChallengeKey {
        &self.key
    }

    /// Whether this is the id of the challenge's present code.
    #[must_use]
    pub fn names(&self, pepper: &Pepper, key: &ChallengeKey, issue: u64) -> bool {
        self.key == *key && pepper.verify(&Self::signed(key, issue), &self.tag)
    }

    fn signed(key: &ChallengeKey, issue: u64) -> Vec<u8> {
        format!("challenge-id|{}|{issue}", key.as_str()).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pepper(seed: u8) -> Pepper {
        Pepper::new(&[seed; 32])
    }

    fn phone() -> Recipient {
        Recipient::Phone(PhoneNumber::parse("+14155552671").unwrap())
    }

    #[test]
    fn an_id_names_one_issue_of_one_challenge() {
        let key = derive_key(&pepper(1), PurposeName::Login, None, &phone());
        let id = ChallengeId::parse(&ChallengeId::write(&pepper(1), &key, 3)).unwrap();
        assert!(id.names(&pepper(1), &key, 3));
        assert!(!id.names(&pepper(1), &key, 4), "a newer code has another id");
        assert!(!id.names(&pepper(2), &key, 3), "only this service makes ids");
        let other = derive_key(&pepper(1), PurposeName::Register, None, &phone());
        assert!(!id.names(&pepper(1), &other, 3), "an id belongs to its purpose");
    }

    #[test]
    fn one_subject_is_not_another() {
        let (ann, bob) = (UserId::from_stored("ann"), UserId::from_stored("bob"));
        let of = |user| derive_key(&pepper(1), PurposeName::Profile, Some(user), &phone());
        assert!(of(&ann) != of(&bob));
    }

    #[test]
    fn noise_is_not_an_id() {
        for noise in ["", "abc", "not base64!", &"A".repeat(10_000)] {
            assert!(ChallengeId::parse(noise).is_err());
        }
    }
}
