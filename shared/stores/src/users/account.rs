//! The account itself: create, rename, change the password.

use aws_sdk_dynamodb::types::AttributeValue;
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
    /// Creates the account with its uniqueness items, all or nothing, together with `companion`.
    ///
    /// # Errors
    /// [`ChangeError::EmailTaken`], [`ChangeError::PhoneTaken`]
    pub async fn create(&self, user: &User, companion: Write) -> Result<(), ChangeError> {
        let owner = table::write(&user.snapshot());
        let mut writes = vec![
            (Part::Account, self.put_new(user_key(&user.id), table::write(user))),
            (Part::Email, self.put_new(email_key(&user.email), owner.clone())),
        ];
        if let Some(phone) = &user.phone {
            writes.push((Part::Phone, self.put_new(phone_key(phone), owner)));
        }
        self.transact(writes, vec![companion]).await
    }

    /// Changes the name, the email address or both, if the account is still as `user` says.
    ///
    /// # Errors
    /// [`ChangeError::EmailTaken`], [`ChangeError::Outdated`]
    pub async fn rename(
        &self,
        user: &User,
        name: Option<&PersonName>,
        email: Option<&EmailAddress>,
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
        self.transact(writes, Vec::new()).await
    }

    /// Sets the password. All other sessions and all remembered devices end.
    ///
    /// # Errors
    /// [`ChangeError::Outdated`]
    pub async fn set_password(
        &self,
        user: &User,
        password: &PasswordHash,
        kept_session: &SessionId,
    ) -> Result<(), ChangeError> {
        let next = AccountSnapshot { epoch: user.epoch + 1, has_password: true, ..user.snapshot() };
        let account = self
            .update_unchanged(&user.snapshot())
            .condition_expression("epoch = :epoch")
            .update_expression("SET password = :password, kept_session = :kept, epoch = :next, devices = :none")
            .expression_attribute_values(":password", text(password.0.as_str()))
            .expression_attribute_values(":kept", text(kept_session.as_str()))
            .expression_attribute_values(":next", number(next.epoch))
            .expression_attribute_values(":none", AttributeValue::M(Item::new()));
        let mut writes = vec![transaction::update(account)];
        if let Some(phone) = &user.phone {
            writes.push(self.put_owner(phone_key(phone), &next, "user_id = :user"));
        }
        self.commit(writes).await
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
