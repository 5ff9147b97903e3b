//! Phone numbers in one canonical form.

use std::fmt;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, Region};
use serde::{Deserialize, Serialize};

use crate::digits;

/// A valid number in E.164 form (`+` and at most 15 digits, ITU-T E.164). Its `Debug` shows the last two digits only.
///
/// `Deserialize` is for numbers that this service stored; input goes through [`PhoneNumber::parse`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PhoneNumber(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a valid international phone number")]
pub struct InvalidPhone;

impl PhoneNumber {
    /// `+`, 15 digits, and room for the punctuation people write between them.
    const LONGEST_INPUT: usize = 32;

    /// Accepts an international number: a `+`, then digits that may be separated by spaces, dots, hyphens and one pair of
    /// round brackets. The digits may be of any script, but not in full width. Everything else that libphonenumber would accept
    /// (letters, extensions, URIs) is refused, so that an input has one meaning.
    ///
    /// # Errors
    /// [`InvalidPhone`] if it is written differently or if no such number can exist.
    pub fn parse(input: &str) -> Result<Self, InvalidPhone> {
        let written = Written::parse(input).filter(|written| written.has_plus && !written.full_width);
        read(&written.ok_or(InvalidPhone)?.international(), None).ok_or(InvalidPhone)
    }

    #[must_use]
    pub fn e164(&self) -> &str {
        &self.0
    }

    /// The digits without the `+`, as Clickatell wants them.
    #[must_use]
    pub fn digits(&self) -> &str {
        self.0.trim_start_matches('+')
    }

    /// The range of the number: its first seven digits, but never any of the last four.
    #[must_use]
    pub fn prefix(&self) -> &str {
        const LONGEST: usize = 7;
        const HIDDEN: usize = 4;
        let digits = self.digits();
        &digits[..LONGEST.min(digits.len() - HIDDEN)]
    }

    /// The last two digits: all that a caller who may not be the owner gets to see.
    #[must_use]
    pub fn hint(&self) -> String {
        format!("•••{}", &self.0[self.0.len() - 2..])
    }
}

/// What libphonenumber reads, if such a number can exist.
pub(crate) fn read(number: &str, region: Option<Region>) -> Option<PhoneNumber> {
    let number = PHONE_NUMBER_UTIL.parse(number, region).ok().filter(rlibphonenumber::PhoneNumber::is_valid)?;
    Some(PhoneNumber(number.format_as(PhoneNumberFormat::E164).into_owned()))
}

/// An input without its permitted punctuation.
pub(crate) struct Written {
    pub has_plus: bool,
    full_width: bool,
    /// ASCII digits.
    pub digits: String,
}

impl Written {
    /// `None` if there is anything but digits and punctuation, or a second pair of brackets.
    pub fn parse(input: &str) -> Option<Self> {
        let trimmed = input.trim_matches(' ');
        if trimmed.chars().nth(PhoneNumber::LONGEST_INPUT).is_some() {
            return None;
        }
        let rest = trimmed.strip_prefix(['+', '＋']);
        let mut written =
            Self { has_plus: rest.is_some(), full_width: trimmed.starts_with('＋'), digits: String::new() };
        let mut brackets = 0;
        for c in rest.unwrap_or(trimmed).chars() {
            match c {
                ' ' | '.' | '-' => {}
                // Not in international numbers, which have been strict from the start.
                '/' if !written.has_plus => {}
                '(' if brackets == 0 => brackets = 1,
                ')' if brackets == 1 => brackets = 2,
                c => {
                    written.full_width |= digits::is_full_width(c);
                    written.digits.push(digits::ascii(c)?);
                }
            }
        }
        (brackets != 1).then_some(written)
    }

    pub fn international(&self) -> String {
        format!("+{}", self.digits)
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneNumber({})", self.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(input: &str) -> PhoneNumber {
        PhoneNumber::parse(input).unwrap()
    }

    #[test]
    fn spellings_of_one_number_are_one_number() {
        for spelling in ["+14155552671", "+1 415 555 2671", "+1 (415) 555-2671", " +1.415.555.2671 ", "+1-415-555-2671"]
        {
            assert_eq!(phone(spelling).e164(), "+14155552671", "{spelling}");
        }
        assert_eq!(phone("+44 (0)7911 123456").e164(), phone("+447911123456").e164());
    }

    #[test]
    fn what_is_not_plainly_a_number_is_refused() {
        let plus = "+".repeat(10_000);
        for wrong in [
            "",
            "+",
            "14155552671",
            "4155552671",
            "0014155552671",
            "+1 (415) 555-2671;ext=99",
            "+1 415 555 2671 x5",
            "tel:+14155552671",
            "+1415555267a",
            "+1-800-FLOWERS",
            "＋14155552671",
            "+１４１５５５５２６７１",
            "+1415\u{200b}5552671",
            "+14155552671\n",
            "+1(415)(555)2671",
            "+1)415(5552671",
            "+1(4155552671",
            "+14155552671.;phone-context=+1",
            "+9991234567",
            "+1415555267",
            "+141555526711111",
            "++14155552671",
            &plus,
        ] {
            assert_eq!(PhoneNumber::parse(wrong), Err(InvalidPhone), "{wrong:?}");
        }
    }

    #[test]
    fn digits_of_any_script_are_the_same_number() {
        for spelling in ["+٣٤ ٦١٢ ٣٤٥ ٦٧٨", "+۳۴۶۱۲۳۴۵۶۷۸", "+३४६१२३४५६७८"]
        {
            assert_eq!(phone(spelling).e164(), "+34612345678", "{spelling}");
        }
    }

    #[test]
    fn a_range_is_seven_digits_and_hides_the_last_four() {
        assert_eq!(phone("+14155552671").prefix(), "1415555");
        assert_eq!(phone("+29051234").prefix(), "2905", "St Helena's numbers have eight digits");
    }

    #[test]
    fn a_number_shows_two_digits_at_most() {
        assert_eq!(format!("{:?}", phone("+14155552671")), "PhoneNumber(•••71)");
    }
}
