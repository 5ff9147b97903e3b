//! Accounts: one item a user, and one a name that must be unique.
//!
//! `USER#id` is the account; the sentinels `EMAIL#normalised` and `PHONE#e164` say whose a name is. Every change of a
//! name is one transaction over account and sentinels, so two people never hold one number.

use std::{collections::BTreeMap, fmt, fmt::Write, time::Duration};

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
    password::PasswordHash,
    phone::PhoneNumber,
    sessions::Method,
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
    /// When the phone was proven.
    #[serde(default)]
    pub phone_proven_at: Option<Timestamp>,
    /// Whether a second step is asked for after a password.
    pub two_step: bool,
    pub created_at: Timestamp,
    /// Counts the changes that end other sessions.
    pub epoch: u64,
    /// The session that made the last such change; it alone outlives it.
    pub kept_session: Option<String>,
    pub password: Option<PasswordHash>,
    /// Hashes; see [`crate::recovery`].
    #[serde(default)]
    pub recovery_codes: Vec<String>,
    /// Browsers that may skip the second step, by id.
    #[serde(default)]
    pub devices: BTreeMap<String, Device>,
}

/// A browser whose owner asked to be remembered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Device {
    pub name: String,
    pub token_hash: String,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
    pub expires_at: Timestamp,
    /// How and when the second step was taken that made this browser trusted.
    pub method: Method,
    pub mfa_time: Timestamp,
}

impl User {
    /// A new account. One that begins with a proven number has two-step on.
    #[must_use]
    pub fn new(
        id: UserId,
        name: PersonName,
        email: EmailAddress,
        phone: Option<PhoneNumber>,
        password: Option<PasswordHash>,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            name,
            email,
            two_step: phone.is_some(),
            phone_proven_at: phone.as_ref().map(|_| now),
            phone,
            created_at: now,
            epoch: 0,
            kept_session: None,
            password,
            recovery_codes: Vec::new(),
            devices: BTreeMap::new(),
        }
    }

    /// What makes room for one more device: those whose time is over, and beyond twenty the one unused for longest.
    #[must_use]
    pub fn devices_to_forget(&self, now: Timestamp) -> Vec<String> {
        const MOST: usize = 20;
        let (live, over): (Vec<_>, Vec<_>) = self.devices.iter().partition(|(_, device)| now < device.expires_at);
        let oldest = live.iter().min_by_key(|(_, device)| device.last_used_at).filter(|_| live.len() >= MOST);
        over.iter().chain(oldest).map(|(id, _)| (*id).clone()).collect()
    }

    #[must_use]
    pub fn holder(&self) -> Holder {
        Holder {
            user_id: self.id.clone(),
            epoch: self.epoch,
            has_password: self.password.is_some(),
            proven_at: self.phone_proven_at,
        }
    }
}

/// What a sentinel says: whose the name is, how often that account ended its sessions, and what else must be known before
/// a code is sent. This is here too so that a sign-in by phone can be judged and begin a session without reading the account first; the
/// phone's sentinel is kept up to date for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub user_id: UserId,
    pub epoch: u64,
    #[serde(default)]
    pub has_password: bool,
    /// When the account's phone was proven: a number that was for long is not held back with an attacker's new ones.
    #[serde(default)]
    pub proven_at: Option<Timestamp>,
}

#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("another account uses this email address")]
    EmailTaken,
    #[error("another account uses this phone number")]
    PhoneTaken,
    /// The account was changed by someone else in between, or is gone.
    #[error("the account was changed by another request")]
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
    pub async fn find_by_email(&self, email: &EmailAddress) -> Result<Option<User>, TableError> {
        let holder = self.get(email_key(email)).await?.map(holder_in).transpose()?;
        // Nobody is looked up too: an unknown address takes as many round trips as a known one.
        let id = holder.map_or_else(|| UserId::from_stored("nobody"), |holder| holder.user_id);
        self.find(&id).await
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

    /// Changes what is given of name and e-mail address, if the account is still as `user` says.
    ///
    /// # Errors
    /// [`ChangeError::EmailTaken`], [`ChangeError::Outdated`].
    pub async fn rename(
        &self,
        user: &User,
        name: Option<&PersonName>,
        email: Option<&EmailAddress>,
    ) -> Result<(), ChangeError> {
        let mut account = self
            .update(&user.id)
            .condition_expression("email = :former AND epoch = :epoch")
            .expression_attribute_values(":former", text(user.email.as_written()))
            .expression_attribute_values(":epoch", number(user.epoch));
        let mut changes = Vec::new();
        if let Some(name) = name {
            changes.push("#name = :name");
            account = account
                .expression_attribute_names("#name", "name")
                .expression_attribute_values(":name", text(name.clone()));
        }
        if let Some(email) = email {
            changes.push("email = :email");
            account = account.expression_attribute_values(":email", text(email.as_written()));
        }
        if changes.is_empty() {
            return Ok(());
        }
        let account = account.update_expression(format!("SET {}", changes.join(", ")));
        let mut writes = vec![(Part::Account, built(account))];
        if let Some(email) = email.filter(|email| email.normalised() != user.email.normalised()) {
            writes.push((Part::Email, self.put_new(email_key(email), table::write(&user.holder()))));
            writes.push((Part::Account, self.delete_own(email_key(&user.email), &user.id)));
        }
        self.transact(writes, Vec::new()).await
    }

    /// The writes that give `phone`, just proven, to the account and take `former` away; two-step is on from then on, and
    /// all sessions but `kept_session` and all remembered devices end. `recovery_codes` replace the present ones. To be saved together with the challenge that proved it.
    #[must_use]
    pub fn set_phone(
        &self,
        account: &Holder,
        phone: &PhoneNumber,
        former: Option<&PhoneNumber>,
        kept_session: Option<&str>,
        recovery_codes: Option<&[String]>,
        now: Timestamp,
    ) -> Vec<TransactWriteItem> {
        let user = &account.user_id;
        // A number that is proven once more was proven before.
        let proven_at = if former == Some(phone) { account.proven_at } else { Some(now) };
        let next = Holder { epoch: account.epoch + 1, proven_at, ..account.clone() };
        let sentinel = Put::builder()
            .table_name(&self.table)
            .set_item(Some(keyed(phone_key(phone), table::write(&next))))
            .condition_expression("attribute_not_exists(pk) OR user_id = :user")
            .expression_attribute_values(":user", text(user.as_str()))
            .build()
            .expect("table and item are set");
        let update = self.set_phone_of(account, former, Some((phone, proven_at)), kept_session, recovery_codes);
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
    pub async fn remove_phone(
        &self,
        user: &User,
        kept_session: &str,
        companion: TransactWriteItem,
    ) -> Result<(), ChangeError> {
        let Some(phone) = &user.phone else { return Ok(()) };
        let writes = vec![
            (Part::Account, self.set_phone_of(&user.holder(), Some(phone), None, Some(kept_session), Some(&[]))),
            (Part::Account, self.delete_own(phone_key(phone), &user.id)),
        ];
        self.transact(writes, vec![companion]).await
    }

    /// Sets the password; all other sessions and all remembered devices end.
    ///
    /// # Errors
    /// [`ChangeError::Outdated`].
    pub async fn set_password(
        &self,
        user: &User,
        password: &PasswordHash,
        kept_session: &str,
    ) -> Result<(), ChangeError> {
        let next = Holder { epoch: user.epoch + 1, has_password: true, ..user.holder() };
        let account = self
            .update(&user.id)
            .condition_expression("epoch = :epoch")
            .update_expression("SET password = :password, kept_session = :kept, epoch = :next, devices = :none")
            .expression_attribute_values(":epoch", number(user.epoch))
            .expression_attribute_values(":password", text(password.as_stored()))
            .expression_attribute_values(":kept", text(kept_session))
            .expression_attribute_values(":next", number(next.epoch))
            .expression_attribute_values(":none", AttributeValue::M(Item::new()));
        let mut writes = vec![(Part::Account, built(account))];
        if let Some(phone) = &user.phone {
            let sentinel = Put::builder()
                .table_name(&self.table)
                .set_item(Some(keyed(phone_key(phone), table::write(&next))))
                .condition_expression("user_id = :user")
                .expression_attribute_values(":user", text(user.id.as_str()))
                .build()
                .expect("table and item are set");
            writes.push((Part::Account, TransactWriteItem::builder().put(sentinel).build()));
        }
        self.transact(writes, Vec::new()).await
    }

    /// Replaces the recovery codes of an account that has two-step on.
    ///
    /// # Errors
    /// [`ChangeError::Outdated`] when it has not, by now.
    pub async fn set_recovery_codes(&self, account: &Holder, hashes: &[String]) -> Result<(), ChangeError> {
        let update = self
            .update(&account.user_id)
            .condition_expression("two_step = :on AND epoch = :epoch")
            .expression_attribute_values(":epoch", number(account.epoch))
            .update_expression("SET recovery_codes = :codes")
            .expression_attribute_values(":on", AttributeValue::Bool(true))
            .expression_attribute_values(":codes", table::texts(hashes));
        self.transact(vec![(Part::Account, built(update))], Vec::new()).await
    }

    /// # Errors
    /// [`ChangeError::Outdated`] when there is no such device.
    pub async fn forget_device(&self, user: &UserId, device: &str) -> Result<(), ChangeError> {
        let update = self
            .update(user)
            .condition_expression("attribute_exists(devices.#device)")
            .update_expression("REMOVE devices.#device")
            .expression_attribute_names("#device", device);
        self.transact(vec![(Part::Account, built(update))], Vec::new()).await
    }

    /// A condition for someone else's transaction: the account has not ended its sessions since it was read.
    #[must_use]
    pub fn unchanged(&self, account: &Holder) -> TransactWriteItem {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .key("pk", text(user_key(&account.user_id)))
            .condition_expression("epoch = :epoch")
            .expression_attribute_values(":epoch", number(account.epoch));
        TransactWriteItem::builder().condition_check(check.build().expect("table, key and condition are set")).build()
    }

    /// [`Self::unchanged`], and the device was used at `now`.
    #[must_use]
    pub fn device_used(&self, account: &Holder, device: &str, token_hash: &str, now: Timestamp) -> TransactWriteItem {
        let update = self
            .update(&account.user_id)
            .condition_expression("epoch = :epoch AND devices.#device.token_hash = :hash")
            .update_expression("SET devices.#device.last_used_at = :now")
            .expression_attribute_names("#device", device)
            .expression_attribute_values(":epoch", number(account.epoch))
            .expression_attribute_values(":hash", text(token_hash))
            .expression_attribute_values(":now", number(now.0));
        built(update)
    }

    /// [`Self::unchanged`], and what a second step leaves behind: a recovery code used up (its place and hash), a device
    /// remembered, others forgotten.
    #[must_use]
    pub fn second_step_done(
        &self,
        account: &Holder,
        recovery_code: Option<(usize, &str)>,
        device: Option<(&str, &Device)>,
        forgotten: &[String],
    ) -> TransactWriteItem {
        if recovery_code.is_none() && device.is_none() {
            return self.unchanged(account);
        }
        let mut update = self.update(&account.user_id).expression_attribute_values(":epoch", number(account.epoch));
        let mut condition = "epoch = :epoch".to_owned();
        let (mut set, mut remove) = (String::new(), Vec::new());
        if let Some((place, hash)) = recovery_code {
            let _ = write!(condition, " AND recovery_codes[{place}] = :code");
            update = update.expression_attribute_values(":code", text(hash));
            remove.push(format!("recovery_codes[{place}]"));
        }
        if let Some((id, device)) = device {
            "SET devices.#device = :device".clone_into(&mut set);
            update = update
                .expression_attribute_names("#device", id)
                .expression_attribute_values(":device", AttributeValue::M(table::write(device)));
        }
        for (index, id) in forgotten.iter().enumerate() {
            update = update.expression_attribute_names(format!("#gone{index}"), id);
            remove.push(format!("devices.#gone{index}"));
        }
        let remove = if remove.is_empty() { String::new() } else { format!(" REMOVE {}", remove.join(", ")) };
        built(update.condition_expression(condition).update_expression(format!("{set}{remove}")))
    }

    /// Changes the account's own item, if it is still as `account` and `former` say. Having a phone is what turns
    /// two-step on.
    fn set_phone_of(
        &self,
        account: &Holder,
        former: Option<&PhoneNumber>,
        phone: Option<(&PhoneNumber, Option<Timestamp>)>,
        kept_session: Option<&str>,
        recovery_codes: Option<&[String]>,
    ) -> TransactWriteItem {
        let mut changes = "SET phone = :phone, phone_proven_at = :proven, two_step = :on, kept_session = :kept, \
                           epoch = :next, devices = :none"
            .to_owned();
        if recovery_codes.is_some() {
            changes.push_str(", recovery_codes = :codes");
        }
        let update = self
            .update(&account.user_id)
            .condition_expression("phone = :former AND epoch = :epoch")
            .update_expression(changes)
            .expression_attribute_values(":former", table::optional_text(former.map(PhoneNumber::e164)))
            .expression_attribute_values(":epoch", number(account.epoch))
            .expression_attribute_values(":phone", table::optional_text(phone.map(|(phone, _)| phone.e164())))
            .expression_attribute_values(
                ":proven",
                phone
                    .and_then(|(_, proven_at)| proven_at)
                    .map_or(AttributeValue::Null(true), |proven_at| number(proven_at.0)),
            )
            .expression_attribute_values(":on", AttributeValue::Bool(phone.is_some()))
            .expression_attribute_values(":kept", table::optional_text(kept_session))
            .expression_attribute_values(":next", number(account.epoch + 1))
            .expression_attribute_values(":none", AttributeValue::M(Item::new()));
        built(match recovery_codes {
            Some(codes) => update.expression_attribute_values(":codes", table::texts(codes)),
            None => update,
        })
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

    /// Writes that belong to an account, which must be as it was read.
    ///
    /// # Errors
    /// [`ChangeError::Outdated`] when it is not.
    pub async fn commit(&self, writes: Vec<TransactWriteItem>) -> Result<(), ChangeError> {
        self.transact(writes.into_iter().map(|write| (Part::Account, write)).collect(), Vec::new()).await
    }

    async fn transact(
        &self,
        writes: Vec<(Part, TransactWriteItem)>,
        companions: Vec<TransactWriteItem>,
    ) -> Result<(), ChangeError> {
        // DynamoDB cancels a transaction that meets another on the same item; nothing was written, so it is sent again.
        const TRIES: u32 = 5;
        const FIRST_PAUSE: Duration = Duration::from_millis(20);
        let (parts, writes): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
        let items: Vec<_> = writes.into_iter().chain(companions).collect();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let request = self.client.transact_write_items().set_transact_items(Some(items.clone()));
            let Err(error) = request.send().await else { return Ok(()) };
            let Some(reasons) = cancellation_reasons(&error) else { return Err(TableError::from(error).into()) };
            let failed = reasons.iter().position(|reason| reason.code() == Some("ConditionalCheckFailed"));
            let conflict = reasons.iter().any(|reason| reason.code() == Some("TransactionConflict"));
            if failed.is_none() && conflict && attempt < TRIES {
                tokio::time::sleep(FIRST_PAUSE * attempt).await;
                continue;
            }
            return match failed.and_then(|index| parts.get(index)) {
                Some(Part::Email) => Err(ChangeError::EmailTaken),
                Some(Part::Phone) => Err(ChangeError::PhoneTaken),
                Some(Part::Account) => Err(ChangeError::Outdated),
                None => Err(TableError::from(error).into()),
            };
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
