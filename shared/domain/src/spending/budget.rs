//! Budgets bound what any attack can cost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{MOST_MESSAGES, Period, Spent};
use crate::country::Country;

const MOST_MONEY: u64 = 1_000_000_000_000_000;

/// What may be spent in one period; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Allowance {
    pub messages: Option<u64>,
    /// In millionths of the currency.
    pub spend: Option<u64>,
}

impl Allowance {
    #[must_use]
    pub fn of_messages(most: u64) -> Self {
        Self { messages: Some(most), spend: None }
    }

    /// How much of it is used, by messages or by money, whichever is more; `None` without a limit.
    #[must_use]
    pub fn used_percent(&self, used: Spent) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a percentage need not be exact")]
        let percent = |used: u64, most: Option<u64>| most.map(|most| used as f64 * 100.0 / (most.max(1)) as f64);
        let used = [percent(used.messages, self.messages), percent(used.spent, self.spend)];
        used.into_iter().flatten().max_by(f64::total_cmp)
    }

    /// Whether one more message of `price` fits, given what is used.
    #[must_use]
    pub fn has_room(&self, used: Spent, price: u64) -> bool {
        self.messages.is_none_or(|most| used.messages < most)
            && self.spend.is_none_or(|most| used.spent.saturating_add(price) <= most)
    }

    fn is_valid(self) -> bool {
        self.messages.is_none_or(|most| most <= MOST_MESSAGES) && self.spend.is_none_or(|most| most <= MOST_MONEY)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Budget {
    pub hour: Allowance,
    pub day: Allowance,
    pub month: Allowance,
}

impl Budget {
    #[must_use]
    pub fn of(&self, period: Period) -> Allowance {
        match period {
            Period::Hour => self.hour,
            Period::Day => self.day,
            Period::Month => self.month,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Budgets {
    pub all: Budget,
    /// Of each country that has none of its own.
    pub country: Budget,
    pub countries: BTreeMap<Country, Budget>,
}

impl Budgets {
    #[must_use]
    pub fn of(&self, country: Country) -> Budget {
        self.countries.get(&country).copied().unwrap_or(self.country)
    }

    /// Limits on the number of all messages together.
    #[must_use]
    pub fn of_messages(hour: u64, day: u64, month: u64) -> Self {
        let messages = Allowance::of_messages;
        let all = Budget { hour: messages(hour), day: messages(day), month: messages(month) };
        Self { all, country: Budget::default(), countries: BTreeMap::new() }
    }

    /// No limit at all.
    #[must_use]
    pub fn unlimited() -> Self {
        Self { all: Budget::default(), country: Budget::default(), countries: BTreeMap::new() }
    }

    /// Whether every number is in its range.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let mut budgets = [&self.all, &self.country].into_iter().chain(self.countries.values());
        budgets.all(|budget| Period::ALL.into_iter().all(|period| budget.of(period).is_valid()))
    }
}

impl Default for Budgets {
    fn default() -> Self {
        Self::of_messages(200, 1_000, 10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tighter_half_of_an_allowance_says_how_much_is_used() {
        let spent = Spent { messages: 40, spent: 900 };
        let used = |messages, spend| Allowance { messages, spend }.used_percent(spent);
        assert_eq!(used(Some(50), None), Some(80.0));
        assert_eq!(used(Some(50), Some(1_000)), Some(90.0));
        assert_eq!(used(None, None), None);
    }

    #[test]
    fn a_country_without_a_budget_has_that_of_all_countries() {
        let few = Budget { hour: Allowance::of_messages(1), ..Budget::default() };
        let country = |code: &str| Country::parse(code).unwrap();
        let budgets = Budgets { countries: BTreeMap::from([(country("ES"), few)]), ..Budgets::default() };
        assert_eq!(budgets.of(country("ES")), few);
        assert_eq!(budgets.of(country("US")), Budget::default());
    }

    #[test]
    fn numbers_beyond_their_range_are_not_valid() {
        assert!(Budgets::default().is_valid());
        let mut budgets = Budgets::default();
        budgets.country.month.spend = Some(MOST_MONEY + 1);
        assert!(!budgets.is_valid());
        assert!(!Budgets::of_messages(MOST_MESSAGES + 1, 1, 1).is_valid());
    }
}
