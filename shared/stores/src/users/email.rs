//! The email address: verify the present one, or replace it by a verified one.

use aws_sdk_dynamodb::types::AttributeValue;
use twostep_domain::{
    account::{AccountSnapshot, User},
    email::EmailAddress,
    ids::SessionId,
    time::Timestamp,
};

use super::{UserStore, email_key};
use crate::{
    table::{self, Item, number, text},
    transaction::{self, Write},
};

/// Which of the writes of [`UserStore::set_email`] is the address's uniqueness item. If it is refused, another account owns
/// the address.
pub const EMAIL_OWNER_WRITE: usize = 0;

impl UserStore {
    /// The writes that give `email`, just verified, to the account, if it is still as `user` says. A new address ends all
    /// sessions but `kept_session`, all remembered devices and every reset that is under way. Save them together with the
    /// challenge that verified the address.
    #[must_use]
    pub fn set_email(&self, user: &User, email: &EmailAddress, kept_session: &SessionId, now: Timestamp) -> Vec<Write> {
        let mut changes = "SET email_verified_at = :now".to_owned();
        let mut account = self
            .update_unchanged(&user.snapshot())
            .condition_expression("email = :former AND epoch = :epoch")
            .expression_attribute_values(":former", text(user.email.as_written()))
            .expression_attribute_values(":now", number(now.0));
        if *email == user.email {
            return vec![self.owns_email(email, user), transaction::update(account.update_expression(changes))];
        }
        changes.push_str(", email = :email, kept_session = :kept, epoch = :next, devices = :none");
        account = account
            .expression_attribute_values(":email", text(email.as_written()))
            .expression_attribute_values(":kept", text(kept_session.as_str()))
            .expression_attribute_values(":next", number(user.epoch + 1))
            .expression_attribute_values(":none", AttributeValue::M(Item::new()));
        let is_other_name = email.normalised() != user.email.normalised();
        let owner = if is_other_name {
            self.put_new(email_key(email), table::write(&user.snapshot()))
        } else {
            self.owns_email(email, user)
        };
        let mut writes = vec![owner, transaction::update(account.update_expression(changes))];
        if is_other_name {
            writes.push(self.delete_own(email_key(&user.email), &user.id));
        }
        let next = AccountSnapshot { epoch: user.epoch + 1, ..user.snapshot() };
        writes.extend(self.put_phone_owner(user, &next));
        writes
    }

    fn owns_email(&self, email: &EmailAddress, user: &User) -> Write {
        transaction::check(
            self.check(email_key(email))
                .condition_expression("user_id = :user")
                .expression_attribute_values(":user", text(user.id.as_str())),
        )
    }
}
