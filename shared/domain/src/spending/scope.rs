//! What is counted together.

use std::fmt;

use crate::{country::Country, phone::PhoneNumber};

#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    All,
    Country(Country),
    /// A range of numbers, by its first digits.
    Prefix(String),
}

impl Scope {
    #[must_use]
    pub fn prefix_of(phone: &PhoneNumber) -> Self {
        Self::Prefix(phone.prefix().to_owned())
    }

    /// `all`, a country's two letters, or a range's digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::All => "all",
            Self::Country(country) => country.as_str(),
            Self::Prefix(digits) => digits,
        }
    }
}

/// A range is most of a number, so logs do not show it.
impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(_) => f.write_str("a range"),
            named => f.write_str(named.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_do_not_show_a_range() {
        let phone = PhoneNumber::parse("+14155552671").unwrap();
        assert_eq!(format!("{:?}", Scope::prefix_of(&phone)), "a range");
    }
}
