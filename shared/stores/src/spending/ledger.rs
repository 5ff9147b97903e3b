//! The ledger: one item with what was reserved in the present hour, day and month, changed only by conditional writes.
//!
//! A reservation is one addition, on condition that the ledger is in the present hour and every budget has room. The first
//! message of an hour finds the ledger in an earlier one and replaces it; the first of a day also keeps the counts of the
//! day that is over, for the usage.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{
    Client,
    operation::{put_item::PutItemError, update_item::UpdateItemError},
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use twostep_domain::{
    country::Country,
    spending::{Allowance, Budgets, Full, Ledger, Period, Spent, Sums},
    time::Timestamp,
};

use super::counters::CounterStore;
use crate::table::{self, Item, TableError, number, text};

const TABLE: &str = "counters";
const ID: &str = "ledger";
const ALL: &str = "all";

/// A message that the ledger has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The hour in which it was counted.
    pub hour: Timestamp,
    pub country: Country,
    pub price: u64,
    /// What was reserved of all messages together, this one included.
    pub all: Sums,
}

pub struct LedgerStore {
    client: Client,
    table: String,
    counters: CounterStore,
}

/// The ledger as it was read, and how often it was changed.
struct Present {
    ledger: Ledger,
    version: u64,
}

impl LedgerStore {
    /// Each round loses only to a ledger that has moved on to another hour.
    const ROUNDS: usize = 12;

    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { counters: CounterStore::new(client.clone(), table.clone()), client, table }
    }

    /// Counts one message of `price` to `country` if every budget has room. A lost answer may count it twice: limits that
    /// protect money err on that side.
    ///
    /// # Errors
    /// [`TableError`]: nothing may be sent then.
    pub async fn reserve(
        &self,
        country: Country,
        price: u64,
        budgets: &Budgets,
        now: Timestamp,
    ) -> Result<Result<Charge, Full>, TableError> {
        let mut hour = Period::Hour.start(now);
        for _ in 0..Self::ROUNDS {
            let present = match self.add(hour, country, price, budgets).await? {
                Ok(ledger) => return Ok(Ok(Charge { hour, country, price, all: ledger.all })),
                Err(present) => present,
            };
            if let Some(present) = &present
                && present.ledger.hour >= hour
            {
                // This clock may be behind.
                hour = present.ledger.hour;
                match present.ledger.full(country, price, budgets) {
                    Some(full) => return Ok(Err(full)),
                    None => continue,
                }
            }
            let ledger = match &present {
                Some(present) => present.ledger.clone(),
                None => self.counters.ledger_of_earlier_version(now).await?,
            };
            if Period::Day.start(ledger.hour) < Period::Day.start(hour) {
                self.counters.keep_day(&ledger).await?;
            }
            let ledger = ledger.at(hour);
            if let Some(full) = ledger.full(country, price, budgets) {
                return Ok(Err(full));
            }
            let ledger = ledger.with(country, price);
            if self.replace(present.as_ref().map(|present| present.version), &ledger).await? {
                return Ok(Ok(Charge { hour, country, price, all: ledger.all }));
            }
        }
        Err(TableError::Contended { table: TABLE })
    }

    /// Takes a charge back from the periods that are not over: the message was not sent. It is not retried: if the
    /// response is lost, a second attempt could take back what another message has reserved.
    ///
    /// # Errors
    /// [`TableError`]: it stays counted.
    pub async fn release(&self, charge: &Charge) -> Result<(), TableError> {
        let mut hour = charge.hour;
        for _ in 0..Self::ROUNDS {
            let periods: Vec<_> =
                Period::ALL.into_iter().filter(|period| period.start(charge.hour) == period.start(hour)).collect();
            if periods.is_empty() {
                return Ok(());
            }
            let update = self
                .client
                .update_item()
                .table_name(&self.table)
                .key("id", text(ID))
                .condition_expression("#hour = :hour")
                .update_expression(addition(charge.country, &periods, ":less", ":price"))
                .expression_attribute_names("#hour", "hour")
                .expression_attribute_values(":hour", number(hour.0))
                .expression_attribute_values(":one", number(1))
                .expression_attribute_values(":less", number(-1))
                .expression_attribute_values(":price", number(-i128::from(charge.price)))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            let Err(error) = update.customize().config_override(table::without_retries()).send().await else {
                return Ok(());
            };
            match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    let Some(present) = failed.item.as_ref().and_then(read) else { return Ok(()) };
                    hour = present.ledger.hour;
                }
                _ => return Err(error.into()),
            }
        }
        Err(TableError::Contended { table: TABLE })
    }

    /// The ledger as it is, in the hour of its latest message. `None` before the first.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn load(&self) -> Result<Option<Ledger>, TableError> {
        let item = table::get(&self.client, &self.table, "id", ID).await?;
        Ok(item.as_ref().and_then(read).map(|present| present.ledger))
    }

    /// The ledger after the addition. The inner `Err` holds what was found instead of a ledger of this hour with room.
    async fn add(
        &self,
        hour: Timestamp,
        country: Country,
        price: u64,
        budgets: &Budgets,
    ) -> Result<Result<Ledger, Option<Present>>, TableError> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(ID))
            .update_expression(addition(country, &Period::ALL, ":one", ":price"))
            .expression_attribute_names("#hour", "hour")
            .expression_attribute_values(":hour", number(hour.0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":price", number(price))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut conditions = vec!["#hour = :hour".to_owned()];
        for (scope, budget) in [(country.as_str(), budgets.of(country)), (ALL, budgets.all)] {
            for period in Period::ALL {
                let Allowance { messages, spend } = budget.of(period);
                if let Some(most) = messages {
                    let (name, value) = (messages_of(scope, period), format!(":most_{scope}_{}", letter(period)));
                    // What was never counted has room for as many as the limit says.
                    conditions.push(if most == 0 {
                        format!("{name} < {value}")
                    } else {
                        format!("(attribute_not_exists({name}) OR {name} < {value})")
                    });
                    update = update.expression_attribute_values(value, number(most));
                }
                if let Some(most) = spend {
                    let (name, value) = (spent_of(scope, period), format!(":room_{scope}_{}", letter(period)));
                    let Some(room) = most.checked_sub(price) else {
                        // No message of this price fits, whatever was counted.
                        let item = table::get(&self.client, &self.table, "id", ID).await?;
                        return Ok(Err(item.as_ref().and_then(read)));
                    };
                    conditions.push(format!("(attribute_not_exists({name}) OR {name} <= {value})"));
                    update = update.expression_attribute_values(value, number(room));
                }
            }
        }
        match update.condition_expression(conditions.join(" AND ")).send().await {
            Ok(output) => {
                let present = output.attributes.as_ref().and_then(read);
                Ok(Ok(present.ok_or(TableError::Malformed { table: TABLE })?.ledger))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(Err(failed.item.as_ref().and_then(read)))
                }
                _ => Err(error.into()),
            },
        }
    }

    /// Replaces the ledger, if it is still at `version`. `false` if another caller was faster.
    async fn replace(&self, version: Option<u64>, ledger: &Ledger) -> Result<bool, TableError> {
        let mut put = self.client.put_item().table_name(&self.table).set_item(Some(written(ledger, version)));
        put = match version {
            None => put.condition_expression("attribute_not_exists(id)"),
            Some(seen) => {
                put.condition_expression("version = :seen").expression_attribute_values(":seen", number(seen))
            }
        };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(error.into()),
            },
        }
    }
}

fn letter(period: Period) -> char {
    match period {
        Period::Hour => 'h',
        Period::Day => 'd',
        Period::Month => 'm',
    }
}

/// Short names keep the item below one kilobyte for about twenty countries.
fn messages_of(scope: &str, period: Period) -> String {
    format!("{scope}_{}", letter(period))
}

fn spent_of(scope: &str, period: Period) -> String {
    format!("{scope}_{}s", letter(period))
}

fn addition(country: Country, periods: &[Period], messages: &str, price: &str) -> String {
    let scopes = [country.as_str(), ALL];
    let each = scopes.iter().flat_map(|scope| {
        let of = |period: &Period| [(messages_of(scope, *period), messages), (spent_of(scope, *period), price)];
        periods.iter().flat_map(of).collect::<Vec<_>>()
    });
    let each: Vec<String> = each.map(|(name, value)| format!("{name} {value}")).collect();
    format!("ADD version :one, {}", each.join(", "))
}

fn read(item: &Item) -> Option<Present> {
    let number = |name: &str| item.get(name)?.as_n().ok()?.parse::<i64>().ok();
    let count = |name: &str| number(name).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let sums = |scope: &str| {
        let of =
            |period| Spent { messages: count(&messages_of(scope, period)), spent: count(&spent_of(scope, period)) };
        Sums { hour: of(Period::Hour), day: of(Period::Day), month: of(Period::Month) }
    };
    let countries = item.keys().filter_map(|name| Country::parse(name.split_once('_')?.0).ok());
    let countries: BTreeMap<_, _> = countries.map(|country| (country, sums(country.as_str()))).collect();
    let ledger = Ledger { hour: Timestamp(number("hour")?), all: sums(ALL), countries };
    Some(Present { ledger, version: count("version") })
}

fn written(ledger: &Ledger, version: Option<u64>) -> Item {
    let mut item = Item::from([
        ("id".to_owned(), text(ID)),
        ("hour".to_owned(), number(ledger.hour.0)),
        ("version".to_owned(), number(version.unwrap_or(0) + 1)),
    ]);
    let mut write = |scope: &str, sums: &Sums| {
        for period in Period::ALL {
            let Spent { messages, spent } = sums.of(period);
            if messages > 0 || spent > 0 {
                item.insert(messages_of(scope, period), number(messages));
                item.insert(spent_of(scope, period), number(spent));
            }
        }
    };
    write(ALL, &ledger.all);
    ledger.countries.iter().for_each(|(country, sums)| write(country.as_str(), sums));
    item
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;

    #[test]
    fn a_ledger_is_read_as_it_was_written() {
        let (spain, now) = (Country::parse("ES").unwrap(), Timestamp(1_800_000_000));
        let ledger = Ledger::empty(now).with(spain, 70).with(Country::parse("US").unwrap(), 8);
        let present = read(&written(&ledger, Some(6))).unwrap();
        assert_eq!((present.ledger, present.version), (ledger, 7));
        assert!(read(&Item::new()).is_none());
    }

    #[test]
    fn a_ledger_of_twenty_countries_fits_one_write_unit() {
        let now = Timestamp(1_800_000_000);
        let codes =
            ["ES", "US", "DE", "FR", "GB", "IT", "NL", "SE", "PL", "PT", "BE", "AT", "CH", "DK", "NO", "FI", "IE"];
        let mut ledger = Ledger::empty(now);
        for code in codes {
            for _ in 0..300 {
                ledger = ledger.with(Country::parse(code).unwrap(), 50_000);
            }
        }
        // A name's bytes, and about a byte for two digits and two more for a number.
        let size = |(name, value): (&String, &AttributeValue)| {
            name.len()
                + value.as_n().map_or_else(|_| value.as_s().map_or(0, String::len), |digits| digits.len() / 2 + 2)
        };
        let size: usize = written(&ledger, None).iter().map(size).sum();
        assert!(size < 1_024, "{size} bytes");
    }
}
