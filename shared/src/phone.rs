//! Phone numbers: one canonical form, and which of them may be sent a code.

use std::{collections::BTreeSet, fmt};

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, enums::PhoneNumberType};
use serde::{Deserialize, Serialize};

/// A valid number in E.164 form (`+` and at most 15 digits, ITU-T E.164). Its `Debug` shows the last two digits only.
///
/// `Deserialize` is for what this service stored itself; input goes through [`PhoneNumber::parse`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PhoneNumber(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a valid international phone number")]
pub struct InvalidPhone;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("numbers of this kind or country are not served")]
pub struct PhoneNotAllowed;

impl PhoneNumber {
    /// `+`, 15 digits, and room for the punctuation people write between them.
    const LONGEST_INPUT: usize = 32;

    /// Accepts an international number: a `+`, then digits that may be set off by spaces, dots, hyphens and one pair of
    /// round brackets. Everything that libphonenumber would understand beyond that (letters, extensions, URIs, digits
    /// of other scripts) is refused, so that one number has one meaning.
    ///
    /// # Errors
    /// [`InvalidPhone`] when it is written otherwise or when no such number can exist.
    pub fn parse(input: &str) -> Result<Self, InvalidPhone> {
        let compact = compact(input).ok_or(InvalidPhone)?;
        let number = PHONE_NUMBER_UTIL.parse(&compact, None).map_err(|_| InvalidPhone)?;
        if !number.is_valid() {
            return Err(InvalidPhone);
        }
        Ok(Self(number.format_as(PhoneNumberFormat::E164).into_owned()))
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

    /// What may be shown to someone who might not be the owner: the last two digits.
    #[must_use]
    pub fn hint(&self) -> String {
        format!("•••{}", &self.0[self.0.len() - 2..])
    }
}

/// Drops the permitted punctuation; `None` when anything else, or a second pair of brackets, is found.
fn compact(input: &str) -> Option<String> {
    let trimmed = input.trim_matches(' ');
    let rest = trimmed.strip_prefix('+')?;
    if trimmed.len() > PhoneNumber::LONGEST_INPUT {
        return None;
    }
    let mut compact = String::from("+");
    let mut brackets = 0;
    for c in rest.chars() {
        match c {
            '0'..='9' => compact.push(c),
            ' ' | '.' | '-' => {}
            '(' if brackets == 0 => brackets = 1,
            ')' if brackets == 1 => brackets = 2,
            _ => return None,
        }
    }
    (brackets != 1).then_some(compact)
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneNumber({})", self.hint())
    }
}

/// Which numbers may be sent a code. Stops traffic pumping to premium, satellite and virtual numbers and to countries
/// that the operator does not serve (NIST SP 800-63B-4 §3.1.3.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub enum AllowedCountries {
    All,
    /// ISO 3166-1 alpha-2 codes, upper case.
    Only(BTreeSet<String>),
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected `*` or ISO 3166-1 alpha-2 country codes separated by commas")]
pub struct InvalidCountries;

impl AllowedCountries {
    /// `*`, or codes such as `US,ES`.
    ///
    /// # Errors
    /// [`InvalidCountries`] for anything else.
    pub fn parse(input: &str) -> Result<Self, InvalidCountries> {
        Self::try_from(input.split(',').map(|code| code.trim().to_owned()).collect::<Vec<_>>())
    }

    /// Decided by the number's region, not by its prefix: `+1` is the USA and twenty other countries.
    ///
    /// # Errors
    /// [`PhoneNotAllowed`] for numbers that are not mobile, that belong to no country, or to one not on the list.
    pub fn check(&self, phone: &PhoneNumber) -> Result<(), PhoneNotAllowed> {
        let number = PHONE_NUMBER_UTIL.parse(phone.e164(), None).map_err(|_| PhoneNotAllowed)?;
        let textable = matches!(number.get_type(), PhoneNumberType::Mobile | PhoneNumberType::FixedLineOrMobile);
        let country = number.get_region_code().map(|region| region.as_region_str().to_string());
        let served = match (self, country) {
            // 001 is libphonenumber's name for numbers that belong to no country.
            (_, None) => false,
            (_, Some(region)) if region == "001" => false,
            (Self::All, Some(_)) => true,
            (Self::Only(countries), Some(country)) => countries.contains(&country),
        };
        if textable && served { Ok(()) } else { Err(PhoneNotAllowed) }
    }
}

impl TryFrom<Vec<String>> for AllowedCountries {
    type Error = InvalidCountries;

    fn try_from(codes: Vec<String>) -> Result<Self, Self::Error> {
        let is_code = |code: &String| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        match codes.as_slice() {
            [all] if all == "*" => Ok(Self::All),
            [] => Err(InvalidCountries),
            codes if codes.iter().all(is_code) => Ok(Self::Only(codes.iter().cloned().collect())),
            _ => Err(InvalidCountries),
        }
    }
}

impl From<AllowedCountries> for Vec<String> {
    fn from(countries: AllowedCountries) -> Self {
        match countries {
            AllowedCountries::All => vec!["*".to_owned()],
            AllowedCountries::Only(codes) => codes.into_iter().collect(),
        }
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
    fn only_numbers_that_can_be_mobile_get_codes() {
        let everywhere = AllowedCountries::All;
        for fine in ["+14155552671", "+447911123456", "+34612345678", "+4915112345678"] {
            assert_eq!(everywhere.check(&phone(fine)), Ok(()), "{fine}");
        }
        // UK fixed line, UK premium, US toll-free, satellite, UK VoIP, international freephone.
        for refused in
            ["+442079460958", "+449012345678", "+18005551234", "+881612345678", "+445612345678", "+80012345678"]
        {
            assert_eq!(everywhere.check(&phone(refused)), Err(PhoneNotAllowed), "{refused}");
        }
    }

    #[test]
    fn countries_are_told_by_region_and_not_by_prefix() {
        let spain = AllowedCountries::parse("ES, US").unwrap();
        assert_eq!(spain.check(&phone("+34612345678")), Ok(()));
        assert_eq!(spain.check(&phone("+14155552671")), Ok(()));
        assert_eq!(spain.check(&phone("+15062345678")), Err(PhoneNotAllowed), "Canada shares +1");
        assert_eq!(spain.check(&phone("+18762101234")), Err(PhoneNotAllowed), "Jamaica shares +1");
        assert_eq!(AllowedCountries::parse("es"), Err(InvalidCountries));
    }

    #[test]
    fn a_number_shows_two_digits_at_most() {
        assert_eq!(format!("{:?}", phone("+14155552671")), "PhoneNumber(•••71)");
    }
}
