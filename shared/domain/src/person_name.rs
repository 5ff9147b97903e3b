//! A person's name, as they write it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::invisible;

/// 1 to 100 characters, without control or invisible formatting characters. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PersonName(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a name must have 1 to {} characters and no control or invisible characters", PersonName::LONGEST)]
pub struct InvalidName;

impl PersonName {
    pub const LONGEST: usize = 100;

    /// Trims the ends, makes every space a plain one, and keeps the rest as it was written.
    ///
    /// # Errors
    /// [`InvalidName`] if nothing is left, if it is too long, or if it has an invisible character that its script doesn't need.
    pub fn parse(input: &str) -> Result<Self, InvalidName> {
        let name = invisible::trimmed(input);
        let fits = (1..=Self::LONGEST).contains(&name.chars().count());
        if !fits || !invisible::are_needed(name) {
            return Err(InvalidName);
        }
        Ok(Self(name.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonName(…)")
    }
}

impl TryFrom<String> for PersonName {
    type Error = InvalidName;

    fn try_from(value: String) -> Result<Self, Self::Error> {
        Self::parse(&value)
    }
}

impl From<PersonName> for String {
    fn from(name: PersonName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_world_are_kept_as_written() {
        for name in ["Ada", "José Ñandú", "李小龍", "علی\u{200c}رضا", "O’Connor-Smith, Jr."] {
            assert_eq!(String::from(PersonName::parse(&format!("  {name} ")).unwrap()), name);
        }
    }

    #[test]
    fn pasted_marks_and_spaces_are_cleaned() {
        let name = PersonName::parse("\u{202a}\u{a0}Ada\u{a0}Lovelace\u{202c}\u{200e}").unwrap();
        assert_eq!(name.as_str(), "Ada Lovelace");
        assert_eq!(PersonName::parse("Ada ❤\u{fe0f}").unwrap().as_str(), "Ada ❤\u{fe0f}");
    }

    #[test]
    fn what_cannot_be_seen_or_is_too_long_is_refused() {
        for wrong in [
            "",
            "   ",
            "\u{3164}",
            "a\u{200d}b",
            "a\u{ad}b",
            "a\nb",
            "a\u{0}b",
            "a\u{202e}b",
            "a\u{feff}b",
            &"x".repeat(101),
        ] {
            assert_eq!(PersonName::parse(wrong), Err(InvalidName), "{wrong:?}");
        }
        assert!(PersonName::parse(&"é".repeat(100)).is_ok());
    }
}
