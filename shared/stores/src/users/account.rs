//! The account itself: create, rename, change the password.

use aws_sdk_dynamodb::types::{AttributeValue, Delete};
use twostep_domain::{
    account::{AccountSnapshot, User, user::PasswordHash},
    email::EmailAddress,
    ids::{SessionId, UserId},
    person_name::PersonName,
    phone::PhoneNumber,
    time::Timestamp,
};

use super::{ChangeError, Part, UserStore, email_key, operators::account_item, phone_key, user_key};
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
        let mut writes = Vec::new();
        if let Some(phone) = &user.phone {
            writes.push((Part::Phone, self.put_new(phone_key(phone), table::write(&user.phone_owner()))));
        }
        writes.extend(self.new_account(user));
        self.transact(writes, companions).await
    }

    /// [`Self::create`] for a number that was verified, using up the registration token with `token`. A number that an idle
    /// `former` owner had is taken from that account. Whether the address is taken is told only where everything else is in
    /// order.
    ///
    /// # Errors
    /// [`ChangeError::TokenSpent`], [`ChangeError::PhoneTaken`], also if the former owner has used the account since;
    /// [`ChangeError::EmailTaken`]
    pub async fn create_by_phone(
        &self,
        user: &User,
        phone: &PhoneNumber,
        former: Option<&User>,
        token: Write,
        companions: Vec<Write>,
    ) -> Result<(), ChangeError> {
        let mut writes = vec![(Part::Token, token)];
        match former {
            None => writes.push((Part::Phone, self.put_new(phone_key(phone), table::write(&user.phone_owner())))),
            Some(former) => {
                let taken = self.take_phone(phone, former, &user.phone_owner());
                writes.extend(taken.into_iter().map(|write| (Part::Phone, write)));
            }
        }
        writes.extend(self.new_account(user));
        self.transact(writes, companions).await
    }

    fn new_account(&self, user: &User) -> [(Part, Write); 2] {
        let owner = table::write(&user.snapshot());
        [
            (Part::Account, self.put_new(user_key(&user.id), account_item(user))),
            (Part::Email, self.put_new(email_key(&user.email), owner)),
        ]
    }

    /// Changes the name, the email address or both, if the account is still as `user` says, together with `companions`. A new
    /// address is not verified.
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
        let forgets = if email.is_some() { " REMOVE email_verified_at" } else { "" };
        let account = account.update_expression(format!("SET {}{forgets}", changes.join(", ")));
        let mut writes = vec![(Part::Account, transaction::update(account))];
        if let Some(email) = email.filter(|email| email.normalised() != user.email.normalised()) {
            writes.push((Part::Email, self.put_new(email_key(email), table::write(&user.snapshot()))));
            writes.push((Part::Account, self.delete_own(email_key(&user.email), &user.id)));
        }
        self.transact(writes, companions).await
    }

    /// The writes that set the password. All sessions but `kept_session` and all remembered devices end. `recovery_codes`
    /// replace the present ones. With `email_verified_at`, the address counts as verified from then on.
    #[must_use]
    pub fn set_password(
        &self,
        user: &User,
        password: &PasswordHash,
        kept_session: &SessionId,
        recovery_codes: Option<&[String]>,
        email_verified_at: Option<Timestamp>,
    ) -> Vec<Write> {
        let next = AccountSnapshot { epoch: user.epoch + 1, has_password: true, ..user.snapshot() };
        let mut changes = "SET password = :password, kept_session = :kept, epoch = :next, devices = :none".to_owned();
        let mut account = self
            .update_unchanged(&user.snapshot())
            .condition_expression("epoch = :epoch")
            .expression_attribute_values(":password", text(password.0.as_str()))
            .expression_attribute_values(":kept", text(kept_session.as_str()))
            .expression_attribute_values(":next", number(next.epoch))
            .expression_attribute_values(":none", AttributeValue::M(Item::new()));
        if let Some(codes) = recovery_codes {
            changes.push_str(", recovery_codes = :codes");
            account = account.expression_attribute_values(":codes", table::texts(codes));
        }
        if let Some(verified_at) = email_verified_at {
            changes.push_str(", email_verified_at = :verified");
            account = account.expression_attribute_values(":verified", number(verified_at.0));
        }
        let mut writes = vec![transaction::update(account.update_expression(changes))];
        writes.extend(self.put_phone_owner(user, &next));
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
        writes.extend(self.put_phone_owner(user, &next));
        writes
    }

    /// The writes that delete the account and free its names. Commit them with
    /// [`UserStore::commit_with_role`].
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
