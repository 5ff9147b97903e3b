//! Phone ownership: which account a number belongs to.

use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure};
use twostep_domain::{
    account::{AccountSnapshot, PhoneOwner, User},
    ids::SessionId,
    phone::PhoneNumber,
    time::Timestamp,
};

use super::{UserStore, keyed, phone_key};
use crate::{
    table::{self, Item, number, text},
    transaction::{self, Write},
};

/// Which of the writes of [`UserStore::set_phone`] is the number's uniqueness item. If it is refused, another account owns
/// the number.
pub const PHONE_OWNER_WRITE: usize = 0;

impl UserStore {
    /// The writes that give `phone`, just verified, to the account and take `former` away. Two-step is on from then on, and
    /// all sessions but `kept_session` and all remembered devices end. `recovery_codes` replace the present ones. Save them
    /// together with the challenge that verified the number.
    #[must_use]
    pub fn set_phone(
        &self,
        account: &AccountSnapshot,
        phone: &PhoneNumber,
        former: Option<&PhoneNumber>,
        kept_session: &SessionId,
        recovery_codes: Option<&[String]>,
        now: Timestamp,
    ) -> Vec<Write> {
        // A number that is verified once more keeps the time of its first verification.
        let verified_at = if former == Some(phone) { account.verified_at } else { Some(now) };
        let next = AccountSnapshot { epoch: account.epoch + 1, verified_at, ..account.clone() };
        let owner = PhoneOwner { account: next, last_used_at: Some(now), disabled: false };
        let owner = self.put_owner(phone_key(phone), &owner, "attribute_not_exists(pk) OR user_id = :user");
        let update =
            self.change_phone(account, former, Some((phone, verified_at)), true, Some(kept_session), recovery_codes);
        let mut writes = vec![owner, update];
        if let Some(former) = former.filter(|former| *former != phone) {
            writes.push(self.delete_own(phone_key(former), &account.user_id));
        }
        writes
    }

    /// The writes that remove the phone. Two-step is off from then on, unless the account has an app for codes. All sessions
    /// but `kept_session` end.
    #[must_use]
    pub fn remove_phone(&self, user: &User, phone: &PhoneNumber, kept_session: Option<&SessionId>) -> Vec<Write> {
        let two_step = user.totp().is_some();
        let recovery_codes: Option<&[String]> = if two_step { None } else { Some(&[]) };
        vec![
            self.change_phone(&user.snapshot(), Some(phone), None, two_step, kept_session, recovery_codes),
            self.delete_own(phone_key(phone), &user.id),
        ]
    }

    /// The writes that give `phone` to the new account `owner` and take it from the idle account `former`, if that is still
    /// as it was read: all its sessions and remembered devices end, and two-step is off there from then on, unless that
    /// account has an app for codes.
    pub(super) fn take_phone(&self, phone: &PhoneNumber, former: &User, owner: &PhoneOwner) -> [Write; 2] {
        let used_at = former.last_used_at.unwrap_or_default();
        let taken = transaction::put(
            Put::builder()
                .table_name(&self.table)
                .set_item(Some(keyed(phone_key(phone), table::write(owner))))
                .condition_expression("user_id = :user AND epoch = :epoch")
                .expression_attribute_values(":user", text(former.id.as_str()))
                .expression_attribute_values(":epoch", number(former.epoch)),
        );
        let two_step = former.totp().is_some();
        let mut changes =
            "SET phone = :gone, phone_proven_at = :gone, two_step = :on, kept_session = :gone, epoch = :next, \
                           devices = :none"
                .to_owned();
        let mut given_up = self
            .update_unchanged(&former.snapshot())
            .condition_expression("phone = :former AND epoch = :epoch AND last_used_at = :used")
            .expression_attribute_values(":former", text(phone.e164()))
            .expression_attribute_values(":used", number(used_at.0))
            .expression_attribute_values(":gone", AttributeValue::Null(true))
            .expression_attribute_values(":on", AttributeValue::Bool(two_step))
            .expression_attribute_values(":next", number(former.epoch + 1))
            .expression_attribute_values(":none", AttributeValue::M(Item::new()));
        if !two_step {
            changes.push_str(", recovery_codes = :codes");
            given_up = given_up.expression_attribute_values(":codes", table::texts(&[]));
        }
        [taken, transaction::update(given_up.update_expression(changes))]
    }

    /// A condition for another store's transaction: `phone` belongs to `owner`, no change has ended the owner's sessions
    /// since it was read, and the account was used after `used_since`, as far as that is recorded.
    #[must_use]
    pub fn phone_belongs_to(
        &self,
        phone: &PhoneNumber,
        owner: &AccountSnapshot,
        used_since: Option<Timestamp>,
    ) -> Write {
        let mut condition = "user_id = :user AND epoch = :epoch".to_owned();
        let mut check = self
            .check(phone_key(phone))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .expression_attribute_values(":user", text(owner.user_id.as_str()))
            .expression_attribute_values(":epoch", number(owner.epoch));
        if let Some(used_since) = used_since {
            condition.push_str(" AND (attribute_not_exists(last_used_at) OR last_used_at >= :since)");
            check = check.expression_attribute_values(":since", number(used_since.0));
        }
        transaction::check(check.condition_expression(condition))
    }

    /// A condition for another store's transaction: no account owns `phone`.
    #[must_use]
    pub fn phone_is_free(&self, phone: &PhoneNumber) -> Write {
        transaction::check(
            self.check(phone_key(phone))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .condition_expression("attribute_not_exists(pk)"),
        )
    }

    /// The uniqueness item of the account's own number, if it has one, after a change that ended its other sessions.
    pub(super) fn put_phone_owner(&self, user: &User, next: &AccountSnapshot) -> Option<Write> {
        let phone = user.phone.as_ref()?;
        let owner = PhoneOwner { account: next.clone(), ..user.phone_owner() };
        Some(self.put_owner(phone_key(phone), &owner, "user_id = :user"))
    }

    /// Changes the account's own item, if it is still as `account` and `former` say.
    fn change_phone(
        &self,
        account: &AccountSnapshot,
        former: Option<&PhoneNumber>,
        phone: Option<(&PhoneNumber, Option<Timestamp>)>,
        two_step: bool,
        kept_session: Option<&SessionId>,
        recovery_codes: Option<&[String]>,
    ) -> Write {
        let mut changes = "SET phone = :phone, phone_proven_at = :verified, two_step = :on, kept_session = :kept, \
                           epoch = :next, devices = :none"
            .to_owned();
        if recovery_codes.is_some() {
            changes.push_str(", recovery_codes = :codes");
        }
        let verified_at = phone
            .and_then(|(_, verified_at)| verified_at)
            .map_or(AttributeValue::Null(true), |verified_at| number(verified_at.0));
        let update = self
            .update_unchanged(account)
            .condition_expression("phone = :former AND epoch = :epoch")
            .update_expression(changes)
            .expression_attribute_values(":former", table::optional_text(former.map(PhoneNumber::e164)))
            .expression_attribute_values(":phone", table::optional_text(phone.map(|(phone, _)| phone.e164())))
            .expression_attribute_values(":verified", verified_at)
            .expression_attribute_values(":on", AttributeValue::Bool(two_step))
            .expression_attribute_values(":kept", table::optional_text(kept_session.map(SessionId::as_str)))
            .expression_attribute_values(":next", number(account.epoch + 1))
            .expression_attribute_values(":none", AttributeValue::M(Item::new()));
        transaction::update(match recovery_codes {
            Some(codes) => update.expression_attribute_values(":codes", table::texts(codes)),
            None => update,
        })
    }
}
