//! The ledger: what was reserved in the present hour, day and month, of each country and of all together.
//!
//! All budgets are judged against one ledger, so that a reservation is one step: it fits every budget and is counted in
//! all of them, or it changes nothing.

use std::collections::BTreeMap;

use super::{Allowance, Budget, Budgets, Period, Scope, Spent};
use crate::{country::Country, time::Timestamp};

/// What was reserved in each of the present periods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub hour: Spent,
    pub day: Spent,
    pub month: Spent,
}

impl Sums {
    #[must_use]
    pub fn of(&self, period: Period) -> Spent {
        match period {
            Period::Hour => self.hour,
            Period::Day => self.day,
            Period::Month => self.month,
        }
    }

    fn of_mut(&mut self, period: Period) -> &mut Spent {
        match period {
            Period::Hour => &mut self.hour,
            Period::Day => &mut self.day,
            Period::Month => &mut self.month,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// The start of the hour that it is in.
    pub hour: Timestamp,
    pub all: Sums,
    pub countries: BTreeMap<Country, Sums>,
}

/// A budget without room for one more message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Full {
    pub scope: Scope,
    pub period: Period,
    /// The start of the period.
    pub start: Timestamp,
    pub spent: Spent,
    pub allowance: Allowance,
}

impl Ledger {
    #[must_use]
    pub fn empty(now: Timestamp) -> Self {
        Self { hour: Period::Hour.start(now), all: Sums::default(), countries: BTreeMap::new() }
    }

    /// The ledger at `now`: what belongs to periods that are over is forgotten. A clock that is behind changes nothing.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        let over = Period::ALL.into_iter().filter(|period| period.start(self.hour) < period.start(now));
        for period in over {
            *self.all.of_mut(period) = Spent::default();
            self.countries.values_mut().for_each(|sums| *sums.of_mut(period) = Spent::default());
        }
        self.countries.retain(|_, sums| *sums != Sums::default());
        self.hour = self.hour.max(Period::Hour.start(now));
        self
    }

    #[must_use]
    pub fn country(&self, country: Country) -> Sums {
        self.countries.get(&country).copied().unwrap_or_default()
    }

    /// The first budget that has no room for one more message of `price` to `country`.
    #[must_use]
    pub fn full(&self, country: Country, price: u64, budgets: &Budgets) -> Option<Full> {
        let scopes: [(Scope, Sums, Budget); 2] = [
            (Scope::Country(country), self.country(country), budgets.of(country)),
            (Scope::All, self.all, budgets.all),
        ];
        for (scope, sums, budget) in scopes {
            for period in [Period::Month, Period::Day, Period::Hour] {
                let (spent, allowance) = (sums.of(period), budget.of(period));
                if !allowance.has_room(spent, price) {
                    let start = period.start(self.hour);
                    return Some(Full { scope, period, start, spent, allowance });
                }
            }
        }
        None
    }

    /// The ledger with one more message of `price` to `country`.
    #[must_use]
    pub fn with(mut self, country: Country, price: u64) -> Self {
        for sums in [&mut self.all, self.countries.entry(country).or_default()] {
            for period in Period::ALL {
                *sums.of_mut(period) = sums.of(period).plus(price);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{DAY, HOUR};

    const NOW: Timestamp = Timestamp(1_800_000_000);

    fn country(code: &str) -> Country {
        Country::parse(code).unwrap()
    }

    #[test]
    fn a_message_counts_in_every_period_and_a_period_that_ends_is_forgotten() {
        let ledger = Ledger::empty(NOW).with(country("ES"), 70).with(country("US"), 8);
        let of = |ledger: &Ledger| Period::ALL.map(|period| ledger.all.of(period).messages);
        assert_eq!(of(&ledger), [2, 2, 2]);
        assert_eq!(ledger.country(country("ES")).month, Spent { messages: 1, spent: 70 });
        let later = ledger.clone().at(NOW.plus(HOUR));
        assert_eq!(of(&later), [0, 2, 2]);
        assert_eq!(later.clone().at(NOW), later, "a clock that is behind counts in the present hour");
        let next_day = later.at(NOW.plus(DAY));
        assert_eq!((of(&next_day), next_day.all.month.spent), ([0, 0, 2], 78));
        let next_month = next_day.at(NOW.plus(DAY * 31));
        assert_eq!(of(&next_month), [0, 0, 0]);
        assert!(next_month.countries.is_empty());
    }

    #[test]
    fn a_message_fits_when_every_budget_has_room() {
        let few = |hour| Budget { hour: Allowance::of_messages(hour), ..Budget::default() };
        let budgets = Budgets {
            countries: [(country("ES"), few(1))].into(),
            all: Budget { day: Allowance { messages: None, spend: Some(100) }, ..Budget::default() },
            ..Budgets::of_messages(9, 9, 9)
        };
        let ledger = Ledger::empty(NOW);
        assert_eq!(ledger.full(country("ES"), 70, &budgets), None);
        let ledger = ledger.with(country("ES"), 70);
        let full = ledger.full(country("ES"), 10, &budgets).expect("the country's hour is full");
        assert_eq!((full.scope.as_str(), full.period, full.spent.messages), ("ES", Period::Hour, 1));
        assert_eq!(ledger.full(country("US"), 30, &budgets), None);
        let full = ledger.full(country("US"), 31, &budgets).expect("the day has 30 left");
        assert_eq!((full.scope.as_str(), full.period, full.start), ("all", Period::Day, Period::Day.start(NOW)));
    }
}
