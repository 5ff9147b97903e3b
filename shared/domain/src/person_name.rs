//! A person's name, as they write it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// 1 to 100 characters, without control or invisible formatting characters. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PersonName(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a name must have 1 to {} characters and no control or invisible characters", PersonName::LONGEST)]
pub struct InvalidName;

impl PersonName {
    pub const LONGEST: usize = 100;

    /// Trims the ends and keeps the rest as it was written.
    ///
    /// # Errors
    /// [`InvalidName`] if nothing is left, if it is too long, or if it has an invisible character.
    pub fn parse(input: &str) -> Result<Self, InvalidName> {
        let name = input.trim();
        let fits = (1..=Self::LONGEST).contains(&name.chars().count());
        if fits && !name.chars().any(is_invisible) { Ok(Self(name.to_owned())) } else { Err(InvalidName) }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters, line and paragraph separators, zero-width and bidirectional formatting (Unicode Cc, Zl, Zp and
/// the parts of Cf that can make one name look like another). The joiners U+200C and U+200D stay: Persian and Indic
/// names need them.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
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
    fn what_cannot_be_seen_or_is_too_long_is_refused() {
        for wrong in ["", "   ", "a\nb", "a\u{0}b", "a\u{202e}b", "\u{feff}a b", &"x".repeat(101)] {
            assert_eq!(PersonName::parse(wrong), Err(InvalidName), "{wrong:?}");
        }
        assert!(PersonName::parse(&"é".repeat(100)).is_ok());
    }
}
