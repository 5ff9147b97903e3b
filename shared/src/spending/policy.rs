//! What the operator allows: budgets, prices, limits, and when the breaker trips. Amounts of money are integers, in
//! millionths of one currency.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::tally::{Period, Tally};
use crate::{json::Unambiguous, phone::Country};

/// What may be spent in one period; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    pub messages: Option<u64>,
    /// In millionths of the currency.
    pub spend: Option<u64>,
}

impl Allowance {
    /// How much of it `tally` has used, by number or by money, whichever is more; `None` without a limit.
    #[must_use]
    pub fn used_percent(&self, tally: &Tally) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a percentage need not be exact")]
        let percent = |used: u64, most: Option<u64>| most.map(|most| used as f64 * 100.0 / (most.max(1)) as f64);
        let used = [percent(tally.messages, self.messages), percent(tally.spent, self.spend)];
        used.into_iter().flatten().max_by(f64::total_cmp)
    }
}

/// Clock hours, days and months in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// Bounds what any attack can cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

    /// What all messages together may be, by number.
    #[must_use]
    pub fn of_messages(hour: u64, day: u64, month: u64) -> Self {
        let messages = |most| Allowance { messages: Some(most), spend: None };
        let all = Budget { hour: messages(hour), day: messages(day), month: messages(month) };
        Self { all, country: Budget::default(), countries: BTreeMap::new() }
    }
}

impl Default for Budgets {
    fn default() -> Self {
        Self::of_messages(200, 1_000, 10_000)
    }
}

/// What a message costs, as far as the operator knows. The provider's bill is the truth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// ISO 4217.
    pub currency: String,
    /// Of a message to a country that has no price of its own, in millionths of the currency.
    pub default: u64,
    pub countries: BTreeMap<Country, u64>,
}

impl Prices {
    #[must_use]
    pub fn of(&self, country: Country) -> u64 {
        self.countries.get(&country).copied().unwrap_or(self.default)
    }
}

impl Default for Prices {
    fn default() -> Self {
        Self { currency: "USD".to_owned(), default: 50_000, countries: BTreeMap::new() }
    }
}

/// Each is exact in any hour or day that ends now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Codes asked for from one IPv4 address or one /64 of IPv6: stops one machine.
    pub address_hour: usize,
    pub address_day: usize,
    /// Messages to one range of numbers: stops who owns a range.
    pub prefix_hour: usize,
    /// Messages to one number over all purposes: stops using the service to annoy somebody.
    pub number_day: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { address_hour: 10, address_day: 50, prefix_hour: 20, number_day: 15 }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Enforce,
    /// Says in the log and in the usage what it would have done.
    RecordOnly,
}

/// When a country or a range trips the breaker: at `floor` messages whose code was not entered, or, where more is usual,
/// at `share_percent` of the codes entered on the best of the last 14 days. The rule is Authgear's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerPolicy {
    pub mode: Mode,
    pub floor: u64,
    pub share_percent: u64,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self { mode: Mode::Enforce, floor: 20, share_percent: 30 }
    }
}

impl BreakerPolicy {
    /// How many unanswered messages trip it; an hour may have a sixth of a day's.
    #[must_use]
    pub fn threshold(&self, period: Period, best_day: u64) -> u64 {
        let of_day = best_day.saturating_mul(self.share_percent) / 100;
        let usual = if period == Period::Hour { of_day / 6 } else { of_day };
        usual.max(self.floor)
    }
}

/// A part of the settings that cannot be as it was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Impossible;

/// A part of the settings that can be changed piece by piece.
pub trait Part: Serialize + DeserializeOwned {
    /// Whether every number of it makes sense.
    fn is_possible(&self) -> bool;

    /// What this part is after `change`: each field that it names is replaced as a whole.
    ///
    /// # Errors
    /// [`Impossible`] for a field that does not exist, has another type, or is out of range.
    fn changed(&self, change: &Unambiguous) -> Result<Self, Impossible> {
        let mut part = serde_json::to_value(self).map_err(|_| Impossible)?;
        let (Value::Object(fields), Value::Object(change)) = (&mut part, &change.0) else { return Err(Impossible) };
        fields.extend(change.clone());
        let changed: Self = serde_json::from_value(part).map_err(|_| Impossible)?;
        if changed.is_possible() { Ok(changed) } else { Err(Impossible) }
    }
}

/// Far beyond any use, and far below what a table's numbers hold exactly.
const MOST_MESSAGES: u64 = 1_000_000_000;
const MOST_MONEY: u64 = 1_000_000_000_000_000;
/// A limit is a list of moments in one item.
const MOST_LISTED: usize = 1_000;

impl Part for Budgets {
    fn is_possible(&self) -> bool {
        let fits = |allowance: Allowance| {
            allowance.messages.is_none_or(|most| most <= MOST_MESSAGES)
                && allowance.spend.is_none_or(|most| most <= MOST_MONEY)
        };
        let mut budgets = [&self.all, &self.country].into_iter().chain(self.countries.values());
        budgets.all(|budget| fits(budget.hour) && fits(budget.day) && fits(budget.month))
    }
}

impl Part for Prices {
    fn is_possible(&self) -> bool {
        let is_currency = self.currency.len() == 3 && self.currency.bytes().all(|byte| byte.is_ascii_uppercase());
        is_currency && [&self.default].into_iter().chain(self.countries.values()).all(|price| *price <= MOST_MESSAGES)
    }
}

impl Part for Limits {
    fn is_possible(&self) -> bool {
        [self.address_hour, self.address_day, self.prefix_hour, self.number_day]
            .iter()
            .all(|most| (1..=MOST_LISTED).contains(most))
    }
}

impl Part for BreakerPolicy {
    fn is_possible(&self) -> bool {
        (1..=MOST_MESSAGES).contains(&self.floor) && self.share_percent <= 1_000
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn after<T: Part>(part: &T, change: Value) -> Result<T, Impossible> {
        part.changed(&Unambiguous(change))
    }

    #[test]
    fn what_a_change_names_is_replaced_and_the_rest_stays() {
        let hour = json!({"messages": 7, "spend": 500_000});
        let all = json!({"hour": hour, "day": {"messages": 20}, "month": {}});
        let budgets = after(&Budgets::default(), json!({"all": all})).unwrap();
        assert_eq!(budgets.all.hour, Allowance { messages: Some(7), spend: Some(500_000) });
        assert_eq!(budgets.all.month, Allowance::default(), "no limit, as it was said");
        let spanish = json!({"ES": {"hour": {"messages": 1}, "day": {}, "month": {}}});
        let budgets = after(&budgets, json!({"countries": spanish})).unwrap();
        assert_eq!(budgets.of(Country::parse("ES").unwrap()).hour.messages, Some(1));
        assert_eq!(budgets.of(Country::parse("US").unwrap()), Budget::default());
        assert_eq!(budgets.all.hour.messages, Some(7));
        let prices = after(&Prices::default(), json!({"countries": {"US": 8_000}})).unwrap();
        assert_eq!(
            (prices.of(Country::parse("US").unwrap()), prices.of(Country::parse("ES").unwrap())),
            (8_000, 50_000)
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            json!([]),
            json!({"all": {"hour": {"messages": 1}}}),
            json!({"all": {"hour": {"messages": -1}, "day": {}, "month": {}}}),
            json!({"all": {"hour": {"messages": 1.5}, "day": {}, "month": {}}}),
            json!({"all": {"hour": {"messages": "1"}, "day": {}, "month": {}}}),
            json!({"all": {"hour": {"message": 1}, "day": {}, "month": {}}}),
            json!({"all": {"hour": {"spend": MOST_MONEY + 1}, "day": {}, "month": {}}}),
            json!({"countries": {"ZZ": {"hour": {}, "day": {}, "month": {}}}}),
            json!({"week": {}}),
        ] {
            assert_eq!(after(&Budgets::default(), wrong.clone()), Err(Impossible), "{wrong}");
        }
        for wrong in [json!({"currency": "usd"}), json!({"default": -1}), json!({"countries": {"usa": 1}}), json!(null)]
        {
            assert_eq!(after(&Prices::default(), wrong.clone()), Err(Impossible), "{wrong}");
        }
        for wrong in [json!({"address_hour": 0}), json!({"number_day": 1_001}), json!({"prefix_hour": null})] {
            assert_eq!(after(&Limits::default(), wrong.clone()), Err(Impossible), "{wrong}");
        }
        for wrong in [json!({"mode": "off"}), json!({"floor": 0}), json!({"share_percent": 1_001})] {
            assert_eq!(after(&BreakerPolicy::default(), wrong.clone()), Err(Impossible), "{wrong}");
        }
    }

    #[test]
    fn a_budget_is_used_as_far_as_its_tighter_half() {
        let tally = Tally { messages: 40, spent: 900, ..Tally::default() };
        let used = |messages, spend| Allowance { messages, spend }.used_percent(&tally);
        assert_eq!(used(Some(50), None), Some(80.0));
        assert_eq!(used(Some(50), Some(1_000)), Some(90.0));
        assert_eq!(used(None, None), None);
    }

    #[test]
    fn the_breaker_s_threshold_grows_with_what_is_usual() {
        let policy = BreakerPolicy::default();
        assert_eq!((policy.threshold(Period::Day, 0), policy.threshold(Period::Hour, 0)), (20, 20));
        assert_eq!((policy.threshold(Period::Day, 1_000), policy.threshold(Period::Hour, 1_000)), (300, 50));
    }
}
