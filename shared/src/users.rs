//! Accounts: one item a user, and one a name that must be unique.
//!
//! `USER#id` is the account; the sentinels `EMAIL#normalised` and `PHONE#e164` say whose a name is. Every change of a
//! name is one transaction over account and sentinels, so two people never hold one number.

use std::fmt;

use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
        builders::{ConditionCheckBuilder, UpdateBuilder},
    },
};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::{
    challenge::store::cancellation_reasons,
    clock::Timestamp,
    email::EmailAddress,
    entropy,
    name::PersonName,
    phone::PhoneNumber,
    table::{self, Item, TableError, number, text},
};

const TABLE: &str = "users";

#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(String);

impl UserId {
    #[must_use]
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        Self(entropy::identifier(rng))
    }

    /// For ids that this service wrote itself: from a table or a signed token.
    #[must_use]
    pub fn from_stored(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    #[serde(rename = "user_id")]
    pub id: UserId,
    pub name: PersonName,
    pub email: EmailAddress,
    pub phone: Option<PhoneNumber>,
    /// Whether a second step is asked for after a password.
    pub two_step: bool,
    pub created_at: Timestamp,
    /// Counts the changes that end other sessions.
    pub epoch: u64,
    /// The session that made the last such change; it alone outlives it.
    pub kept_session: Option<String>,
}

impl User {
    #[must_use]
    pub fn holder(&self) -> Holder {
        Holder { user_id: self.id.clone(), epoch: self.epoch }
    }
}

/// What a sentinel says: whose the name is, and how often that account ended its sessions. The epoch is here too so that
/// a sign-in by phone can begin a session without reading the account first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub user_id: UserId,
    pub epoch: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("another account has this e-mail address")]
    EmailTaken,
    #[error("another account has this phone number")]
    PhoneTaken,
    /// The account was changed by someone else in between, or is gone.
    #[error("the account has changed meanwhile")]
    Outdated,
    #[error(transparent)]
    Table(#[from] TableError),
}

/// What each write of a transaction was for, so that a failed condition can be named.
#[derive(Clone, Copy)]
enum Part {
    Account,
    Email,
    Phone,
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
    /// [`TableError`] when DynamoDB is away.
    pub async fn find(&self, id: &UserId) -> Result<Option<User>, TableError> {
        self.get(user_key(id)).await?.map(|item| table::read(TABLE, item)).transpose()
    }

    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn holder_of(&self, phone: &PhoneNumber) -> Result<Option<Holder>, TableError> {
        self.get(phone_key(phone)).await?.map(holder_in).transpose()
    }

    /// Creates the account with its sentinels, all or nothing, together with `companion`.
    ///
    /// # Errors
    /// [`ChangeError::EmailTaken`], [`ChangeError::PhoneTaken`].
    pub async fn create(&self, user: &User, companion: TransactWriteItem) -> Result<(), ChangeError> {
        let mut writes = vec![
            (Part::Account, self.put_new(user_key(&user.id), table::write(user))),
            (Part::Email, self.put_new(email_key(&user.email), table::write(&user.holder()))),
        ];
        if let Some(phone) = &user.phone {
            writes.push((Part::Phone, self.put_new(phone_key(phone), table::write(&user.holder()))));
        }
        self.transact(writes, vec![companion]).await
    }

    /// Changes name and e-mail address of `user`, if the address is still what `user` says.
    ///
    /// # Errors
    /// [`ChangeError::EmailTaken`], [`ChangeError::Outdated`].
    pub async fn rename(&self, user: &User, name: &PersonName, email: &EmailAddress) -> Result<(), ChangeError> {
        let account = self
            .update(&user.id)
            .condition_expression("email = :former")
            .update_expression("SET #name = :name, email = :email")
            .expression_attribute_names("#name", "name")
            .expression_attribute_values(":name", text(name.clone()))
            .expression_attribute_values(":email", text(email.as_written()))
            .expression_attribute_values(":former", text(user.email.as_written()));
        let mut writes = vec![(Part::Account, built(account))];
        if user.email.normalised() != email.normalised() {
            writes.push((Part::Email, self.put_new(email_key(email), table::write(&user.holder()))));
            writes.push((Part::Account, self.delete_own(email_key(&user.email), &user.id)));
        }
        self.transact(writes, Vec::new()).await
    }

    /// The writes that give `phone`, just proven, to the account and take `former` away; two-step is on from then on, and
    /// all sessions but `kept_session` end. To be saved together with the challenge that proved it.
    #[must_use]
    pub fn set_phone(
        &self,
        account: &Holder,
        phone: &PhoneNumber,
        former: Option<&PhoneNumber>,
        kept_session: Option<&str>,
    ) -> Vec<TransactWriteItem> {
        let user = &account.user_id;
        let next = Holder { epoch: account.epoch + 1, ..account.clone() };
        let sentinel = Put::builder()
            .table_name(&self.table)
            .set_item(Some(keyed(phone_key(phone), table::write(&next))))
            .condition_expression("attribute_not_exists(pk) OR user_id = :user")
            .expression_attribute_values(":user", text(user.as_str()))
            .build()
            .expect("table and item are set");
        let update = self.set_phone_of(account, former, Some(phone), kept_session);
        let mut writes = vec![TransactWriteItem::builder().put(sentinel).build(), update];
        if let Some(former) = former.filter(|former| *former != phone) {
            writes.push(self.delete_own(phone_key(former), user));
        }
        writes
    }

    /// Which of the writes of [`Self::set_phone`] is the sentinel: refused means that another account has the number.
    pub const PHONE_SENTINEL: usize = 0;

    /// Takes the phone away and turns two-step off.
    ///
    /// # Errors
    /// [`ChangeError::Outdated`] when the account has another number by now.
    pub async fn remove_phone(&self, user: &User, kept_session: &str) -> Result<(), ChangeError> {
        let Some(phone) = &user.phone else { return Ok(()) };
        let writes = vec![
            (Part::Account, self.set_phone_of(&user.holder(), Some(phone), None, Some(kept_session))),
            (Part::Account, self.delete_own(phone_key(phone), &user.id)),
        ];
        self.transact(writes, Vec::new()).await
    }

    /// Changes the account's own item, if it is still as `account` and `former` say. Having a phone is what turns
    /// two-step on.
    fn set_phone_of(
        &self,
        account: &Holder,
        former: Option<&PhoneNumber>,
        phone: Option<&PhoneNumber>,
        kept_session: Option<&str>,
    ) -> TransactWriteItem {
        let update = self
            .update(&account.user_id)
            .condition_expression("phone = :former AND epoch = :epoch")
            .update_expression("SET phone = :phone, two_step = :on, kept_session = :kept, epoch = :next")
            .expression_attribute_values(":former", table::optional_text(former.map(PhoneNumber::e164)))
            .expression_attribute_values(":epoch", number(account.epoch))
            .expression_attribute_values(":phone", table::optional_text(phone.map(PhoneNumber::e164)))
            .expression_attribute_values(":on", AttributeValue::Bool(phone.is_some()))
            .expression_attribute_values(":kept", table::optional_text(kept_session))
            .expression_attribute_values(":next", number(account.epoch + 1));
        built(update)
    }

    /// A condition for someone else's transaction: `phone` belongs to `holder`, whose sessions have not been ended since.
    #[must_use]
    pub fn phone_belongs_to(&self, phone: &PhoneNumber, holder: &Holder) -> TransactWriteItem {
        let check = self
            .check(phone)
            .condition_expression("user_id = :user AND epoch = :epoch")
            .expression_attribute_values(":user", text(holder.user_id.as_str()))
            .expression_attribute_values(":epoch", number(holder.epoch));
        TransactWriteItem::builder().condition_check(check.build().expect("table, key and condition are set")).build()
    }

    /// A condition for someone else's transaction: nobody has `phone`.
    #[must_use]
    pub fn phone_is_free(&self, phone: &PhoneNumber) -> TransactWriteItem {
        let check = self.check(phone).condition_expression("attribute_not_exists(pk)");
        TransactWriteItem::builder().condition_check(check.build().expect("table, key and condition are set")).build()
    }

    fn check(&self, phone: &PhoneNumber) -> ConditionCheckBuilder {
        ConditionCheck::builder()
            .table_name(&self.table)
            .key("pk", text(phone_key(phone)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    fn update(&self, user: &UserId) -> UpdateBuilder {
        Update::builder().table_name(&self.table).key("pk", text(user_key(user)))
    }

    fn put_new(&self, key: String, item: Item) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(keyed(key, item)))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .expect("table and item are set");
        TransactWriteItem::builder().put(put).build()
    }

    fn delete_own(&self, key: String, user: &UserId) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(&self.table)
            .key("pk", text(key))
            .condition_expression("attribute_not_exists(pk) OR user_id = :user")
            .expression_attribute_values(":user", text(user.as_str()))
            .build()
            .expect("table and key are set");
        TransactWriteItem::builder().delete(delete).build()
    }

    async fn transact(
        &self,
        writes: Vec<(Part, TransactWriteItem)>,
        companions: Vec<TransactWriteItem>,
    ) -> Result<(), ChangeError> {
        let (parts, writes): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
        let items = writes.into_iter().chain(companions).collect();
        let Err(error) = self.client.transact_write_items().set_transact_items(Some(items)).send().await else {
            return Ok(());
        };
        let Some(reasons) = cancellation_reasons(&error) else { return Err(TableError::from(error).into()) };
        let failed = reasons.iter().position(|reason| reason.code() == Some("ConditionalCheckFailed"));
        match failed.and_then(|index| parts.get(index)) {
            Some(Part::Email) => Err(ChangeError::EmailTaken),
            Some(Part::Phone) => Err(ChangeError::PhoneTaken),
            Some(Part::Account) => Err(ChangeError::Outdated),
            None => Err(TableError::from(error).into()),
        }
    }

    async fn get(&self, key: String) -> Result<Option<Item>, TableError> {
        let answer =
            self.client.get_item().table_name(&self.table).key("pk", text(key)).consistent_read(true).send().await?;
        Ok(answer.item)
    }
}

/// # Errors
/// [`TableError::Malformed`] when the item is no sentinel.
pub fn holder_in(sentinel: Item) -> Result<Holder, TableError> {
    table::read(TABLE, sentinel)
}

fn keyed(key: String, mut item: Item) -> Item {
    item.insert("pk".to_owned(), text(key));
    item
}

fn built(update: UpdateBuilder) -> TransactWriteItem {
    TransactWriteItem::builder().update(update.build().expect("table, key and expression are set")).build()
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
