//! What operators do: list accounts, look at any of them, turn them off and on, sign them out, make admins.
//!
//! The item `ADMINS` holds the ids of the admins whose accounts are on, so that the last one can't be lost in a race.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use twostep_domain::{
    account::{AccountSnapshot, ListPosition, Role, User},
    email::EmailAddress,
    ids::UserId,
    phone::PhoneNumber,
    time::Timestamp,
};

use super::{ChangeError, Part, TABLE, UserStore, email_key, owner_in, phone_key, user_key};
use crate::{
    table::{self, Item, TableError, number, text},
    transaction::{self, Write},
};

const ADMINS: &str = "ADMINS";

/// The index that lists accounts by their creation. It is eventually consistent and has nothing but keys.
const BY_CREATION: &str = "by-creation";

/// What all accounts have in common, as the partition of [`BY_CREATION`].
pub(super) const LISTED: (&str, &str) = ("listed", "user");

impl UserStore {
    /// The account, also if an operator has turned it off.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn find_any(&self, id: &UserId) -> Result<Option<User>, TableError> {
        self.get(&user_key(id)).await?.map(|item| table::read(TABLE, item)).transpose()
    }

    /// # Errors
    /// [`TableError`]
    pub async fn find_any_by_email(&self, email: &EmailAddress) -> Result<Option<User>, TableError> {
        self.find_any_by(&email_key(email)).await
    }

    /// # Errors
    /// [`TableError`]
    pub async fn find_any_by_phone(&self, phone: &PhoneNumber) -> Result<Option<User>, TableError> {
        self.find_any_by(&phone_key(phone)).await
    }

    async fn find_any_by(&self, name: &str) -> Result<Option<User>, TableError> {
        match self.get(name).await?.map(owner_in).transpose()? {
            Some(owner) => self.find_any(&owner.account.user_id).await,
            None => Ok(None),
        }
    }

    /// At most `most` accounts that were created before `after`, newest first. Accounts that an earlier version created are
    /// missing until they are used.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn page(&self, after: Option<&ListPosition>, most: u16) -> Result<Vec<User>, TableError> {
        let (attribute, value) = LISTED;
        let start = after.map(|after| {
            Item::from([
                ("pk".to_owned(), text(user_key(&after.id))),
                (attribute.to_owned(), text(value)),
                ("created_at".to_owned(), number(after.created_at.0)),
            ])
        });
        let keys = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_CREATION)
            .key_condition_expression("listed = :listed")
            .expression_attribute_values(":listed", text(value))
            .scan_index_forward(false)
            .limit(i32::from(most))
            .set_exclusive_start_key(start)
            .send()
            .await?;
        let keys = keys.items.unwrap_or_default().into_iter().filter_map(|mut item| item.remove("pk")).collect();
        self.get_all(keys).await
    }

    /// At most `most` accounts whose keys follow that of `after`, in an order of no meaning that stays the same. Reads the
    /// whole table in the course of its pages.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn scan(&self, after: Option<&UserId>, most: usize) -> Result<Vec<User>, TableError> {
        // An account has three items at most.
        let items = i32::try_from(most.saturating_mul(3)).unwrap_or(i32::MAX);
        let mut users: Vec<User> = Vec::new();
        let mut start = after.map(|after| Item::from([("pk".to_owned(), text(user_key(after)))]));
        loop {
            let page = self
                .client
                .scan()
                .table_name(&self.table)
                .filter_expression("begins_with(pk, :accounts)")
                .expression_attribute_values(":accounts", text(user_key(&UserId::from_stored(""))))
                .consistent_read(true)
                .limit(items)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            for item in page.items.unwrap_or_default() {
                users.push(table::read(TABLE, item)?);
                if users.len() == most {
                    return Ok(users);
                }
            }
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(users);
            }
        }
    }

    /// The accounts with these keys, at most a hundred, in this order. Those that are gone are missing.
    async fn get_all(&self, keys: Vec<AttributeValue>) -> Result<Vec<User>, TableError> {
        let mut left: Vec<Item> = keys.iter().map(|key| Item::from([("pk".to_owned(), key.clone())])).collect();
        let mut found = HashMap::new();
        while !left.is_empty() {
            let asked = KeysAndAttributes::builder().set_keys(Some(left)).build().expect("keys are set");
            let output = self.client.batch_get_item().request_items(&self.table, asked).send().await?;
            for item in output.responses.unwrap_or_default().remove(&self.table).unwrap_or_default() {
                let user: User = table::read(TABLE, item)?;
                found.insert(user_key(&user.id), user);
            }
            let unprocessed = output.unprocessed_keys.unwrap_or_default().remove(&self.table);
            left = unprocessed.map(|unprocessed| unprocessed.keys).unwrap_or_default();
        }
        Ok(keys.iter().filter_map(|key| found.remove(key.as_s().ok()?)).collect())
    }

    /// The writes that turn the account off or on. All its sessions and remembered devices end.
    #[must_use]
    pub fn set_disabled(&self, user: &User, disabled: bool) -> Vec<Write> {
        let next = AccountSnapshot { epoch: user.epoch + 1, ..user.snapshot() };
        let account = self
            .update_unchanged(&user.snapshot())
            .condition_expression("epoch = :epoch AND #role = :role")
            .update_expression("SET disabled = :disabled, kept_session = :gone, epoch = :next, devices = :none")
            .expression_attribute_names("#role", "role")
            .expression_attribute_values(":role", text(<&str>::from(user.role)))
            .expression_attribute_values(":disabled", AttributeValue::Bool(disabled))
            .expression_attribute_values(":gone", AttributeValue::Null(true))
            .expression_attribute_values(":next", number(next.epoch))
            .expression_attribute_values(":none", AttributeValue::M(Item::new()));
        let mut writes = vec![transaction::update(account)];
        writes.extend(self.put_phone_owner(&User { disabled, ..user.clone() }, &next));
        writes
    }

    /// The writes that end all sessions and forget all remembered devices.
    #[must_use]
    pub fn sign_out(&self, user: &User) -> Vec<Write> {
        let next = AccountSnapshot { epoch: user.epoch + 1, ..user.snapshot() };
        let account = self
            .update_unchanged(&user.snapshot())
            .condition_expression("epoch = :epoch")
            .update_expression("SET kept_session = :gone, epoch = :next, devices = :none")
            .expression_attribute_values(":gone", AttributeValue::Null(true))
            .expression_attribute_values(":next", number(next.epoch))
            .expression_attribute_values(":none", AttributeValue::M(Item::new()));
        let mut writes = vec![transaction::update(account)];
        writes.extend(self.put_phone_owner(user, &next));
        writes
    }

    /// The write that forgives the failed attempts up to `now`.
    #[must_use]
    pub fn unlock(&self, user: &User, now: Timestamp) -> Write {
        let account = self
            .update_unchanged(&user.snapshot())
            .condition_expression("epoch = :epoch")
            .update_expression("SET unlocked_at = :now")
            .expression_attribute_values(":now", number(now.0));
        transaction::update(account)
    }

    /// The write that gives the account another role.
    #[must_use]
    pub fn set_role(&self, user: &User, role: Role) -> Write {
        let account = self
            .update_unchanged(&user.snapshot())
            .condition_expression("epoch = :epoch AND #role = :former")
            .update_expression("SET #role = :role")
            .expression_attribute_names("#role", "role")
            .expression_attribute_values(":former", text(<&str>::from(user.role)))
            .expression_attribute_values(":role", text(<&str>::from(role)));
        transaction::update(account)
    }

    /// Writes that decide whether the account is an admin that can act, from then on as `is_admin` says. The account must be
    /// as it was read.
    ///
    /// # Errors
    /// [`ChangeError::LastAdmin`] if no other admin would be left; [`ChangeError::Outdated`]
    pub async fn commit_with_role(&self, user: &User, is_admin: bool, writes: Vec<Write>) -> Result<(), ChangeError> {
        let mut writes: Vec<_> = writes.into_iter().map(|write| (Part::Account, write)).collect();
        let admins = || {
            self.update_item(ADMINS)
                .expression_attribute_values(":id", AttributeValue::Ss(vec![user.id.as_str().to_owned()]))
        };
        match (user.is_active_admin(), is_admin) {
            (false, true) => {
                writes.push((Part::Admins, transaction::update(admins().update_expression("ADD ids :id"))));
            }
            (true, false) => {
                let leave = admins()
                    .update_expression("DELETE ids :id")
                    .condition_expression("(attribute_exists(ids) AND NOT contains(ids, :this)) OR size(ids) > :one")
                    .expression_attribute_values(":this", text(user.id.as_str()))
                    .expression_attribute_values(":one", number(1_u64));
                writes.push((Part::Admins, transaction::update(leave)));
            }
            _ => {}
        }
        self.transact(writes, Vec::new()).await
    }
}

/// An account as it is stored: with what lists it.
pub(super) fn account_item(user: &User) -> Item {
    let (attribute, value) = LISTED;
    let mut item = table::write(user);
    item.insert(attribute.to_owned(), text(value));
    item
}
