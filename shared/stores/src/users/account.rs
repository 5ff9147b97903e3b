//! The account itself: create, rename, change the password.

use aws_sdk_dynamodb::types::{AttributeValue, Delete};
use twostep_domain::{
    account::{AccountSnapshot, User, user::PasswordHash},
    email::EmailAddress,
    ids::{SessionId, UserId},
    person_name::PersonName,
};

use super::{ChangeError, Part, UserStore, email_key, phone_key, user_key};
use crate::{
    table::{self, Item, number, text},
    transaction::{self, Write},
};

impl UserStore {
    /// Creates the account with its uniqueness items, all or nothing, together with `companions`.
    ///
    /// # Errors
    /// [`ChangeError::EmailTaken`], [`ChangeError::PhoneTaken`]
    pub async fn create(&self, user: &User, companions: Vec<Write>) -> Result<(), ChangeError> {
        let owner = table::write(&user.snapshot());
        let mut writes = vec![
            (Part::Account, self.put_new(user_key(&user.id), table::write(user))),
            (Part::Email, self.put_new(email_key(&user.email), owner.clone())),
        ];
        if let Some(phone) = &user.phone {
            writes.push((Part::Phone, self.put_new(phone_key(phone), owner)));
        }
        self.transact(writes, companions).await
    }

    /// Changes the name, the email address or both, if the account is still as `user` says, together with `companions`.
    ///
    /// # Errors
    /// [`ChangeError::EmailTaken`], [`ChangeError::Outdated`]
    pub async fn rename(
        &self,
        user: &User,
        name: Option<&PersonName>,
        email: Option<&EmailAddress>,
        companions: Vec<Write>,
    ) -> Result<(), ChangeError> {
        let mut account = self
            .update_unchanged(&user.snapshot())
            .condition_expression("email = :former AND epoch = :epoch")
            .expression_attribute_values(":former", text(user.email.as_written()));
        let mut changes = Vec::new();
        if let Some(name) = name {
            changes.push("#name = :name");
            account = account
                .expression_attribute_names("#name", "name")
                .expression_attribute_values(":name", text(name.as_str()));
        }
        if let Some(email) = email {
            changes.push("email = :email");
            account = account.expression_attribute_values(":email", text(email.as_written()));
        }
        if changes.is_empty() {
            return Ok(());
        }
        let account = account.update_expression(format!("SET {}", changes.join(", ")));
        let mut writes = vec![(Part::Account, transaction::update(account))];
        if let Some(email) = email.filter(|email| email.normalised() != user.email.normalised()) {
            writes.push((Part::Email, self.put_new(email_key(email), table::write(&user.snapshot()))));
            writes.push((Part::Account, self.delete_own(email_key(&user.email), &user.id)));
        }
        self.transact(writes, companions).await
    }

    /// The writes that set the password. All other sessions and all remembered devices end. `recovery_codes` replace the
    /// present ones.
    #[must_use]
    pub fn set_password(
        &self,
        user: &User,
        password: &PasswordHash,
        kept_session: &SessionId,
        recovery_codes: Option<&[String]>,
    ) -> Vec<Write> {
        let next = AccountSnapshot { epoch: user.epoch + 1, has_password: true, ..user.snapshot() };
        let account = self
            .update_unchanged(&user.snapshot())
            .condition_expression("epoch = :epoch")
            .expression_attribute_values(":password", text(password.0.as_str()))
            .expression_attribute_values(":kept", text(kept_session.as_str()))
            .expression_attribute_values(":next", number(next.epoch))
            .expression_attribute_values(":none", AttributeValue::M(Item::new()));
        let mut changes = "SET password = :password, kept_session = :kept, epoch = :next, devices = :none".to_owned();
        let account = match recovery_codes {
            Some(codes) => {
                changes.push_str(", recovery_codes = :codes");
                account.expression_attribute_values(":codes", table::texts(codes))
            }
            None => account,
        };
        let mut writes = vec![transaction::update(account.update_expression(changes))];
        writes.extend(user.phone.as_ref().map(|phone| self.put_phone_owner(phone, &next)));
        writes
    }

    /// The writes that end all sessions of the account but `kept_session`. Remembered devices stay.
    #[must_use]
    pub fn end_other_sessions(&self, user: &User, kept_session: &SessionId) -> Vec<Write> {
        let next = AccountSnapshot { epoch: user.epoch + 1, ..user.snapshot() };
        let account = self
            .update_unchanged(&user.snapshot())
            .condition_expression("epoch = :epoch")
            .update_expression("SET kept_session = :kept, epoch = :next")
            .expression_attribute_values(":kept", text(kept_session.as_str()))
            .expression_attribute_values(":next", number(next.epoch));
        let mut writes = vec![transaction::update(account)];
        writes.extend(user.phone.as_ref().map(|phone| self.put_phone_owner(phone, &next)));
        writes
    }

    /// The writes that delete the account and free its names.
    #[must_use]
    pub fn delete(&self, user: &User) -> Vec<Write> {
        let account = Delete::builder()
            .table_name(&self.table)
            .key("pk", text(user_key(&user.id)))
            .condition_expression("epoch = :epoch AND email = :email")
            .expression_attribute_values(":epoch", number(user.epoch))
            .expression_attribute_values(":email", text(user.email.as_written()));
        let mut writes = vec![transaction::delete(account), self.delete_own(email_key(&user.email), &user.id)];
        writes.extend(user.phone.as_ref().map(|phone| self.delete_own(phone_key(phone), &user.id)));
        writes
    }

    /// Replaces the hash of the password by another one of the same password. Nothing else changes: no session ends.
    ///
    /// # Errors
    /// [`ChangeError::Outdated`] if the password was changed in between.
    pub async fn rehash(
        &self,
        user: &UserId,
        present: &PasswordHash,
        better: &PasswordHash,
    ) -> Result<(), ChangeError> {
        let update = self
            .update(user)
            .condition_expression("password = :present")
            .update_expression("SET password = :better")
            .expression_attribute_values(":present", text(present.0.as_str()))
            .expression_attribute_values(":better", text(better.0.as_str()));
        self.commit(vec![transaction::update(update)]).await
    }

    /// A condition for another store's transaction: no change has ended the account's sessions since it was read.
    #[must_use]
    pub fn unchanged(&self, account: &AccountSnapshot) -> Write {
        transaction::check(
            self.check(user_key(&account.user_id))
                .condition_expression("epoch = :epoch")
                .expression_attribute_values(":epoch", number(account.epoch)),
        )
    }
}
