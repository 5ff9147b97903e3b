//! Accounts: one item for each user, and one for each name that must be unique.
//!
//! An account that an operator has turned off is found only by the functions with `any` in their names: for signing in, it
//! is as if it didn't exist.
//!
//! `USER#id` is the account. The uniqueness items `EMAIL#normalised` and `PHONE#e164` say which account owns a name. Every
//! change of a name is one transaction over the account and the uniqueness items, so no name ever has two owners.

mod account;
mod email;
mod operators;
mod phone;
mod second_step;
mod totp;
mod use_record;

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    types::{
        ConditionCheck, Delete, Put, Update,
        builders::{ConditionCheckBuilder, UpdateBuilder},
    },
};
pub use email::EMAIL_OWNER_WRITE;
pub use phone::PHONE_OWNER_WRITE;
pub use second_step::{SecondStepTaken, StoredRecoveryCode};
pub use totp::{TotpChange, TotpStep};
use twostep_domain::{
    account::{AccountSnapshot, PhoneOwner, User},
    email::EmailAddress,
    ids::UserId,
    phone::PhoneNumber,
};

use crate::{
    table::{self, Item, TableError, number, text},
    transaction::{self, Write, cancellation_reasons, condition_failed, in_conflict},
};

const TABLE: &str = "users";

#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("another account has this email address")]
    EmailTaken,
    #[error("another account uses this phone number")]
    PhoneTaken,
    /// The condition of this companion failed.
    #[error("a companion write was refused")]
    Refused { companion: usize },
    /// The account has changed since it was read, or is gone.
    #[error("the account has changed since it was read")]
    Outdated,
    /// Without this account, no admin could act.
    #[error("the account is the last admin")]
    LastAdmin,
    /// The registration token was used before, or too often in vain.
    #[error("the registration token is spent")]
    TokenSpent,
    #[error(transparent)]
    Table(#[from] TableError),
}

/// What each write of a transaction was for, so that a failed condition can be named.
#[derive(Clone, Copy)]
enum Part {
    Account,
    Email,
    Phone,
    Token,
    Admins,
}

#[derive(Clone)]
pub struct UserStore {
    client: Client,
    table: String,
}

impl UserStore {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// # Errors
    /// [`TableError`]
    pub async fn find(&self, id: &UserId) -> Result<Option<User>, TableError> {
        Ok(self.find_any(id).await?.filter(|user| !user.disabled))
    }

    /// # Errors
    /// [`TableError`]
    pub async fn find_by_email(&self, email: &EmailAddress) -> Result<Option<User>, TableError> {
        let owner = self.get(&email_key(email)).await?.map(owner_in).transpose()?;
        // An unknown address takes as many round trips as a known one.
        let is_known = owner.is_some();
        let id = owner.map_or_else(|| UserId::from_stored("nobody"), |owner| owner.account.user_id);
        Ok(self.find(&id).await?.filter(|_| is_known))
    }

    /// The account that owns `phone`, as the number's uniqueness item says.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn phone_owner(&self, phone: &PhoneNumber) -> Result<Option<AccountSnapshot>, TableError> {
        let owner = self.get(&phone_key(phone)).await?.map(owner_in).transpose()?;
        Ok(owner.filter(|owner| !owner.disabled).map(|owner| owner.account))
    }

    /// Writes that belong to an account, which must be as it was read.
    ///
    /// # Errors
    /// [`ChangeError::Outdated`] if it is not.
    pub async fn commit(&self, writes: Vec<Write>) -> Result<(), ChangeError> {
        self.transact(writes.into_iter().map(|write| (Part::Account, write)).collect(), Vec::new()).await
    }

    async fn transact(&self, writes: Vec<(Part, Write)>, companions: Vec<Write>) -> Result<(), ChangeError> {
        const ATTEMPTS: u32 = 5;
        const FIRST_PAUSE: Duration = Duration::from_millis(20);
        let (parts, writes): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
        let items: Vec<_> = writes.into_iter().chain(companions).collect();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let request = self.client.transact_write_items().set_transact_items(Some(items.clone()));
            let Err(error) = request.send().await else { return Ok(()) };
            let Some(reasons) = cancellation_reasons(&error) else { return Err(TableError::from(error).into()) };
            let (own, others) = reasons.split_at(parts.len().min(reasons.len()));
            if let Some(companion) = others.iter().position(condition_failed) {
                return Err(ChangeError::Refused { companion });
            }
            let failed = own.iter().position(condition_failed);
            if failed.is_none() && reasons.iter().any(in_conflict) && attempt < ATTEMPTS {
                tokio::time::sleep(FIRST_PAUSE * attempt).await;
                continue;
            }
            return match failed.and_then(|index| parts.get(index)) {
                Some(Part::Email) => Err(ChangeError::EmailTaken),
                Some(Part::Phone) => Err(ChangeError::PhoneTaken),
                Some(Part::Account) => Err(ChangeError::Outdated),
                Some(Part::Token) => Err(ChangeError::TokenSpent),
                Some(Part::Admins) => Err(ChangeError::LastAdmin),
                None => Err(TableError::from(error).into()),
            };
        }
    }

    async fn get(&self, key: &str) -> Result<Option<Item>, TableError> {
        table::get(&self.client, &self.table, "pk", key).await
    }

    fn update(&self, user: &UserId) -> UpdateBuilder {
        self.update_item(user_key(user))
    }

    fn update_item(&self, key: impl Into<String>) -> UpdateBuilder {
        Update::builder().table_name(&self.table).key("pk", text(key))
    }

    /// An update of the account on condition that no change has ended its sessions since it was read.
    fn update_unchanged(&self, account: &AccountSnapshot) -> UpdateBuilder {
        self.update(&account.user_id).expression_attribute_values(":epoch", number(account.epoch))
    }

    fn check(&self, key: String) -> ConditionCheckBuilder {
        ConditionCheck::builder().table_name(&self.table).key("pk", text(key))
    }

    fn put_new(&self, key: String, item: Item) -> Write {
        transaction::put(
            Put::builder()
                .table_name(&self.table)
                .set_item(Some(keyed(key, item)))
                .condition_expression("attribute_not_exists(pk)"),
        )
    }

    /// Writes a number's uniqueness item, if `condition` holds of it; the condition can name `:user`.
    fn put_owner(&self, key: String, owner: &PhoneOwner, condition: &str) -> Write {
        transaction::put(
            Put::builder()
                .table_name(&self.table)
                .set_item(Some(keyed(key, table::write(owner))))
                .condition_expression(condition)
                .expression_attribute_values(":user", text(owner.account.user_id.as_str())),
        )
    }

    /// Deletes a uniqueness item, unless another account owns it.
    fn delete_own(&self, key: String, user: &UserId) -> Write {
        transaction::delete(
            Delete::builder()
                .table_name(&self.table)
                .key("pk", text(key))
                .condition_expression("attribute_not_exists(pk) OR user_id = :user")
                .expression_attribute_values(":user", text(user.as_str())),
        )
    }
}

/// The owner that a uniqueness item names; only that of a number says when the account was used.
///
/// # Errors
/// [`TableError::Malformed`]
pub fn owner_in(item: Item) -> Result<PhoneOwner, TableError> {
    table::read(TABLE, item)
}

fn keyed(key: String, mut item: Item) -> Item {
    item.insert("pk".to_owned(), text(key));
    item
}

fn user_key(id: &UserId) -> String {
    format!("USER#{}", id.as_str())
}

fn email_key(email: &EmailAddress) -> String {
    format!("EMAIL#{}", email.normalised())
}

fn phone_key(phone: &PhoneNumber) -> String {
    format!("PHONE#{}", phone.e164())
}
