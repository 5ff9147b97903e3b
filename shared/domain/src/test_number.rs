//! Numbers with a fixed code: for app-store reviews, and for the end-to-end tests of a site. No message is sent to them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{one_time_code::OneTimeCode, phone::PhoneNumber};

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestNumber {
    pub phone: PhoneNumber,
    code: String,
}

impl TestNumber {
    /// Most that an operator can have.
    pub const MOST: usize = 20;

    #[must_use]
    pub fn new(phone: PhoneNumber, code: &OneTimeCode) -> Self {
        Self { phone, code: code.expose().to_owned() }
    }

    /// The code that is always right. Compare it in constant time.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Whether there are few enough, each number once.
    #[must_use]
    pub fn are_valid(numbers: &[Self]) -> bool {
        let mut phones: Vec<&str> = numbers.iter().map(|number| number.phone.e164()).collect();
        phones.sort_unstable();
        phones.dedup();
        phones.len() == numbers.len() && numbers.len() <= Self::MOST
    }
}

impl fmt::Debug for TestNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TestNumber(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_comes_once_and_there_are_few() {
        let number = |line: usize| {
            let phone = PhoneNumber::parse(&format!("+1415555{line:04}")).unwrap();
            TestNumber::new(phone, &OneTimeCode::parse("123456").unwrap())
        };
        let numbers: Vec<_> = (2670..2690).map(number).collect();
        assert!(TestNumber::are_valid(&numbers) && TestNumber::are_valid(&[]));
        assert!(!TestNumber::are_valid(&[number(2671), number(2671)]));
        assert!(!TestNumber::are_valid(&(2670..2691).map(number).collect::<Vec<_>>()));
        assert_eq!((numbers[0].code(), format!("{:?}", numbers[0])), ("123456", "TestNumber(…)".to_owned()));
    }
}
