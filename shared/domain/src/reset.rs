//! Password resets: which proofs an account asks for. A reset takes as many steps as a sign-in.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    account::User,
    authentication_method::Method,
    ids::UserId,
    proof::Proof,
    recipient::Recipient,
    settings::Settings,
    sign_in::{SignIn, demands_second_step, has_two_factors},
    time::{MINUTE, Timestamp},
};

/// How long the new password may take after the last proof.
pub const LIFETIME: Duration = Duration::from_secs(15 * MINUTE.as_secs());

/// What a user who gave every proof may do: set a new password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub user_id: UserId,
    /// The account's epoch: another reset, a new password or a new number makes the grant worthless.
    pub epoch: u64,
    pub first: Method,
    pub second: Option<Method>,
    /// The first proof was a code to an address that was not verified before.
    pub verifies_email: bool,
}

impl Grant {
    #[must_use]
    pub fn sign_in(&self, now: Timestamp) -> SignIn {
        SignIn::by_proofs(self.first, self.second, now)
    }
}

/// Whether a reset of this account may begin with a code to its address. One that is not verified may be anybody's, so it
/// counts only if the account has no verified number.
#[must_use]
pub fn may_begin_by_email(user: &User) -> bool {
    user.email_verified_at.is_some() || user.phone.is_none()
}

/// Whether the user must give a second proof after `first`.
///
/// An account with two factors always asks for both. One whose phone alone signs in asks for nothing but that phone, unless
/// the number may have a new owner. A mailbox alone never opens an account that has a phone.
#[must_use]
pub fn needs_second_proof(settings: &Settings, user: &User, first: Proof, now: Timestamp) -> bool {
    match first {
        Proof::Email => demands_second_step(settings, user),
        Proof::Phone => has_two_factors(settings, user) || user.is_idle(settings.used_since(now)),
    }
}

/// Where the code of the second step goes: to the other of the two, if it is verified and can be reached.
#[must_use]
pub fn second_recipient(user: &User, first: Proof, email_is_on: bool) -> Recipient {
    match first {
        Proof::Email => user.phone.clone().map_or(Recipient::Nobody, Recipient::Phone),
        Proof::Phone => {
            user.verified_email().filter(|_| email_is_on).cloned().map_or(Recipient::Nobody, Recipient::Email)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        account::user::PasswordHash, country::AllowedCountries, email::EmailAddress, message_texts::Site,
        person_name::PersonName, phone::PhoneNumber, spending::Budgets, time::DAY,
    };

    const NOW: Timestamp = Timestamp(1_800_000_000);

    fn settings() -> Settings {
        let site = Site::new("Example", "example.com").unwrap();
        Settings { two_step_enabled: true, ..Settings::initial(&site, AllowedCountries::All, Budgets::default()) }
    }

    fn user(phone: bool, password: bool, verified: bool) -> User {
        let (name, email) = (PersonName::parse("Ada").unwrap(), EmailAddress::parse("ada@example.com").unwrap());
        let phone = phone.then(|| PhoneNumber::parse("+14155552671").unwrap());
        let password = password.then(|| PasswordHash("x".into()));
        let user = User::new(UserId::from_stored("ada"), name, email, phone, password, NOW);
        User { email_verified_at: verified.then_some(NOW), ..user }
    }

    #[test]
    fn an_account_with_two_factors_asks_for_both() {
        let both = user(true, true, true);
        for first in [Proof::Email, Proof::Phone] {
            assert!(needs_second_proof(&settings(), &both, first, NOW));
        }
        assert_eq!(second_recipient(&both, Proof::Email, true).phone(), both.phone.as_ref());
        assert_eq!(second_recipient(&both, Proof::Phone, true).email(), Some(&both.email));
        assert_eq!(second_recipient(&both, Proof::Phone, false), Recipient::Nobody, "email is off");
        assert_eq!(second_recipient(&user(true, true, false), Proof::Phone, true), Recipient::Nobody, "not verified");
    }

    #[test]
    fn an_account_without_a_second_factor_asks_for_its_address() {
        for verified in [true, false] {
            let plain = user(false, true, verified);
            assert!(may_begin_by_email(&plain) && !needs_second_proof(&settings(), &plain, Proof::Email, NOW));
        }
        assert!(!may_begin_by_email(&user(true, true, false)), "an address that may be anybody's");
    }

    #[test]
    fn a_phone_alone_resets_only_what_it_signs_in_to() {
        let by_phone = user(true, false, true);
        assert!(!needs_second_proof(&settings(), &by_phone, Proof::Phone, NOW));
        assert!(needs_second_proof(&settings(), &by_phone, Proof::Email, NOW), "a mailbox alone");
        let idle = NOW.plus(DAY * 181);
        assert!(needs_second_proof(&settings(), &by_phone, Proof::Phone, idle), "the number may have a new owner");
        let never = Settings { phone_idle_days: 0, ..settings() };
        assert!(!needs_second_proof(&never, &by_phone, Proof::Phone, idle));
    }
}
