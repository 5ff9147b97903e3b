//! What a message costs, as far as the operator knows. The provider's bill decides.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::MOST_MESSAGES;
use crate::country::Country;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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

    /// The price of the cheapest message.
    #[must_use]
    pub fn cheapest(&self) -> u64 {
        self.countries.values().copied().fold(self.default, u64::min)
    }

    /// Whether the currency has the form of one and every price is in its range.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let is_currency = self.currency.len() == 3 && self.currency.bytes().all(|byte| byte.is_ascii_uppercase());
        is_currency && [&self.default].into_iter().chain(self.countries.values()).all(|price| *price <= MOST_MESSAGES)
    }
}

impl Default for Prices {
    fn default() -> Self {
        Self { currency: "USD".to_owned(), default: 50_000, countries: BTreeMap::new() }
    }
}
