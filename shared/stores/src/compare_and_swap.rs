//! Compare-and-swap: an item with a version is replaced only if no other caller has replaced it since it was read.

use std::marker::PhantomData;

use aws_sdk_dynamodb::{
    Client,
    operation::put_item::PutItemError,
    types::{Put, ReturnValuesOnConditionCheckFailure},
};
use rand::RngExt;
use serde::{Serialize, de::DeserializeOwned};
use twostep_runtime::entropy;

use crate::{
    table::{self, Item, TableError, number, text},
    transaction::{Write, cancellation_reasons, condition_failed, from_put, in_conflict},
};

/// The attribute by which a write recognises itself when its response was lost and the SDK sent it again.
pub(crate) const WRITER: &str = "writer";

/// An item with an `id` and a `version`, both attributes of its stored form.
pub trait Versioned: Clone + Serialize + DeserializeOwned {
    const TABLE: &'static str;

    fn id(&self) -> &str;

    /// The version that was read; 0 for an item that is not in the table yet.
    fn version(&self) -> u64;

    #[must_use]
    fn with_version(self, version: u64) -> Self;
}

/// The outcome of saving one item.
#[derive(Debug)]
pub enum Swap<T> {
    /// Saved, as it is in the table now.
    Saved(T),
    /// Another caller saved first: their item, or `None` if it was deleted.
    Lost(Option<T>),
}

/// The outcome of saving an item in a transaction with companion writes.
#[derive(Debug)]
pub enum SwapWith<T> {
    /// Saved, together with the companions.
    Saved,
    /// Another caller saved first: their item, or `None` if it was deleted.
    Lost(Option<T>),
    /// The item was as expected, but the condition of this companion failed.
    Refused { companion: usize, found: Option<Item> },
}

/// The outcome of one round of a [`Race`], for rounds that are functions of their own.
pub enum Round<T, R> {
    Done(R),
    /// Another caller was faster; the next round works on what they left.
    Lost(Option<T>),
}

/// The one compare-and-swap loop: work on what was found, then on whatever won a race against it.
///
/// ```ignore
/// let mut race = Race::on(found);
/// loop {
///     let found = race.next_round()?;
///     match store.save(&change(found)).await? {
///         Swap::Saved(saved) => return Ok(saved),
///         Swap::Lost(winner) => race.lost_to(winner),
///     }
/// }
/// ```
pub struct Race<T> {
    rounds_left: usize,
    found: Option<T>,
}

impl<T: Versioned> Race<T> {
    /// In each round some rule has moved on, and the rules allow only few moves (five guesses, one message a cooldown), so
    /// neither honest use nor an attack reaches this.
    const ROUNDS: usize = 12;

    #[must_use]
    pub fn on(found: Option<T>) -> Self {
        Self { rounds_left: Self::ROUNDS, found }
    }

    /// What to work on in the next round.
    ///
    /// # Errors
    /// [`TableError::Contended`] after many lost races.
    pub fn next_round(&mut self) -> Result<Option<T>, TableError> {
        self.rounds_left = self.rounds_left.checked_sub(1).ok_or(TableError::Contended { table: T::TABLE })?;
        Ok(self.found.take())
    }

    pub fn lost_to(&mut self, winner: Option<T>) {
        self.found = winner;
    }
}

/// The items of one type in one table.
pub struct VersionedItems<T> {
    client: Client,
    table: String,
    items: PhantomData<fn() -> T>,
}

impl<T> Clone for VersionedItems<T> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), table: self.table.clone(), items: PhantomData }
    }
}

impl<T: Versioned> VersionedItems<T> {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, items: PhantomData }
    }

    /// # Errors
    /// [`TableError`]
    pub async fn load(&self, id: &str) -> Result<Option<T>, TableError> {
        let item = table::get(&self.client, &self.table, "id", id).await?;
        item.map(|item| table::read(T::TABLE, item)).transpose()
    }

    /// Opens the connection that the first request will use. The result does not matter.
    pub async fn open_connection(&self) {
        let _ = self.load("-").await;
    }

    /// Saves `next` if the item is still at the version that `next` was made from.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn save(&self, next: &T) -> Result<Swap<T>, TableError> {
        let (saved, writer) = (self.successor(next), new_writer());
        let put = self.put(next, &saved, &writer);
        let result = self
            .client
            .put_item()
            .set_table_name(Some(put.table_name))
            .set_item(Some(put.item))
            .set_condition_expression(put.condition_expression)
            .set_expression_attribute_values(put.expression_attribute_values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else { return Ok(Swap::Saved(saved)) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => match lost_to(failed.item.clone(), &writer)?
            {
                Winner::Ourselves => Ok(Swap::Saved(saved)),
                Winner::Other(item) => Ok(Swap::Lost(item)),
            },
            Some(PutItemError::TransactionConflictException(_)) => Ok(Swap::Lost(self.load(next.id()).await?)),
            _ => Err(error.into()),
        }
    }

    /// [`Self::save`], all or nothing with `companions`.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn save_with(&self, next: &T, companions: Vec<Write>) -> Result<SwapWith<T>, TableError> {
        let writer = new_writer();
        let own = from_put(self.put(next, &self.successor(next), &writer));
        let items = std::iter::once(own).chain(companions).collect();
        let result = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        let Err(error) = result else { return Ok(SwapWith::Saved) };
        let Some([own, companions @ ..]) = cancellation_reasons(&error) else { return Err(error.into()) };
        if condition_failed(own) {
            return match lost_to(own.item.clone(), &writer)? {
                Winner::Ourselves => Ok(SwapWith::Saved),
                Winner::Other(item) => Ok(SwapWith::Lost(item)),
            };
        }
        match companions.iter().position(condition_failed) {
            Some(companion) => Ok(SwapWith::Refused { companion, found: companions[companion].item.clone() }),
            None if in_conflict(own) || companions.iter().any(in_conflict) => {
                Ok(SwapWith::Lost(self.load(next.id()).await?))
            }
            None => Err(error.into()),
        }
    }

    /// Applies `rule` until its result is saved: first to `current`, then to whatever won a race against it. Gives the
    /// item as it was saved, or `None` if the rule has nothing to change or the item is gone.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn advance(&self, current: T, mut rule: impl FnMut(&T) -> Option<T>) -> Result<Option<T>, TableError> {
        let mut race = Race::on(Some(current));
        loop {
            let Some(next) = race.next_round()?.as_ref().and_then(&mut rule) else { return Ok(None) };
            match self.save(&next).await? {
                Swap::Saved(saved) => return Ok(Some(saved)),
                Swap::Lost(winner) => race.lost_to(winner),
            }
        }
    }

    /// Applies `change` to the item with this id, or to `new` if there is none, until its result is saved. Other changes at
    /// the same time are kept.
    ///
    /// # Errors
    /// Those of `change`, or [`TableError`].
    pub async fn change<R, E: From<TableError>>(
        &self,
        id: &str,
        new: impl Fn() -> T,
        change: impl Fn(&mut T) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut race = Race::on(self.load(id).await?);
        loop {
            let mut next = race.next_round()?.unwrap_or_else(&new);
            let result = change(&mut next)?;
            match self.save(&next).await? {
                Swap::Saved(_) => return Ok(result),
                Swap::Lost(winner) => race.lost_to(winner),
            }
        }
    }

    /// The write that saves a new item, for another store's transaction.
    #[must_use]
    pub fn insert(&self, item: &T) -> Write {
        from_put(self.put(item, &self.successor(item), &new_writer()))
    }

    /// # Errors
    /// [`TableError`]
    pub async fn delete(&self, id: &str) -> Result<(), TableError> {
        self.client.delete_item().table_name(&self.table).key("id", text(id)).send().await?;
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "it belongs to the items")]
    fn successor(&self, next: &T) -> T {
        next.clone().with_version(next.version() + 1)
    }

    fn put(&self, next: &T, saved: &T, writer: &str) -> Put {
        let mut item = table::write(saved);
        item.insert(WRITER.into(), text(writer));
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match next.version() {
            0 => put.condition_expression("attribute_not_exists(id)"),
            seen => put.condition_expression("version = :seen").expression_attribute_values(":seen", number(seen)),
        };
        put.build().expect("table and item are set")
    }
}

/// Who made the write that ours lost to.
enum Winner<T> {
    /// Our own first attempt: its response was lost and the SDK sent it again.
    Ourselves,
    Other(Option<T>),
}

fn lost_to<T: Versioned>(found: Option<Item>, writer: &str) -> Result<Winner<T>, TableError> {
    let Some(item) = found else { return Ok(Winner::Other(None)) };
    if is_written_by(&item, writer) {
        return Ok(Winner::Ourselves);
    }
    Ok(Winner::Other(Some(table::read(T::TABLE, item)?)))
}

/// Whether this writer made the latest write that carried a mark.
pub(crate) fn is_written_by(item: &Item, writer: &str) -> bool {
    item.get(WRITER).and_then(|value| value.as_s().ok()).is_some_and(|by| by == writer)
}

pub(crate) fn new_writer() -> String {
    format!("{:016x}", entropy::system().random::<u64>())
}
