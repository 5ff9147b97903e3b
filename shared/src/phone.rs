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
#[error("numbers of this type or country are not allowed")]
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

    /// The range that the number is in: its first seven digits, but never so many that the last four could be guessed.
    #[must_use]
    pub fn prefix(&self) -> &str {
        const LONGEST: usize = 7;
        const HIDDEN: usize = 4;
        let digits = self.digits();
        &digits[..LONGEST.min(digits.len() - HIDDEN)]
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

/// A country or territory with telephone numbers of its own: an ISO 3166-1 alpha-2 code in upper case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an ISO 3166-1 alpha-2 code of a country with telephone numbers")]
pub struct InvalidCountry;

impl Country {
    /// # Errors
    /// [`InvalidCountry`] unless it is the code, in upper case, of a country whose numbers are known here.
    pub fn parse(code: &str) -> Result<Self, InvalidCountry> {
        let is_known = || PHONE_NUMBER_UTIL.get_supported_regions().any(|region| *region.as_region_str() == *code);
        match code.as_bytes() {
            [first @ b'A'..=b'Z', second @ b'A'..=b'Z'] if is_known() => Ok(Self([*first, *second])),
            _ => Err(InvalidCountry),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for Country {
    type Error = InvalidCountry;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        Self::parse(&code)
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.as_str().to_owned()
    }
}

/// Which numbers may be sent a code. Stops traffic pumping to premium, satellite and virtual numbers and to countries
/// that the operator does not serve (NIST SP 800-63B-4 §3.1.3.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub enum AllowedCountries {
    All,
    Only(BTreeSet<Country>),
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected `*` or comma-separated ISO 3166-1 alpha-2 country codes")]
pub struct InvalidCountries;

impl AllowedCountries {
    /// `*`, or codes such as `US,ES`.
    ///
    /// # Errors
    /// [`InvalidCountries`] for anything else.
    pub fn parse(input: &str) -> Result<Self, InvalidCountries> {
        Self::try_from(input.split(',').map(|code| code.trim().to_owned()).collect::<Vec<_>>())
    }

    /// The country of `phone`, if codes may go there. Decided by the number's region, not by its prefix: `+1` is the USA
    /// and twenty other countries.
    ///
    /// # Errors
    /// [`PhoneNotAllowed`] for numbers that are not mobile, that belong to no country, or to one not on the list.
    pub fn check(&self, phone: &PhoneNumber) -> Result<Country, PhoneNotAllowed> {
        let number = PHONE_NUMBER_UTIL.parse(phone.e164(), None).map_err(|_| PhoneNotAllowed)?;
        let textable = matches!(number.get_type(), PhoneNumberType::Mobile | PhoneNumberType::FixedLineOrMobile);
        // 001, libphonenumber's name for numbers that belong to no country, is none.
        let country = number.get_region_code().and_then(|region| Country::parse(&region.as_region_str()).ok());
        let served = |country: &Country| match self {
            Self::All => true,
            Self::Only(countries) => countries.contains(country),
        };
        country.filter(|country| textable && served(country)).ok_or(PhoneNotAllowed)
    }
}

impl TryFrom<Vec<String>> for AllowedCountries {
    type Error = InvalidCountries;

    fn try_from(codes: Vec<String>) -> Result<Self, Self::Error> {
        match codes.as_slice() {
            [all] if all == "*" => Ok(Self::All),
            [] => Err(InvalidCountries),
            codes => codes
                .iter()
                .map(|code| Country::parse(code).map_err(|_| InvalidCountries))
                .collect::<Result<_, _>>()
                .map(Self::Only),
        }
    }
}

impl From<AllowedCountries> for Vec<String> {
    fn from(countries: AllowedCountries) -> Self {
        match countries {
            AllowedCountries::All => vec!["*".to_owned()],
            AllowedCountries::Only(codes) => codes.into_iter().map(String::from).collect(),
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
            assert!(everywhere.check(&phone(fine)).is_ok(), "{fine}");
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
        let code = |number: &str| spain.check(&phone(number)).map(String::from);
        assert_eq!(code("+34612345678"), Ok("ES".to_owned()));
        assert_eq!(code("+14155552671"), Ok("US".to_owned()));
        assert_eq!(spain.check(&phone("+15062345678")), Err(PhoneNotAllowed), "Canada shares +1");
        assert_eq!(spain.check(&phone("+18762101234")), Err(PhoneNotAllowed), "Jamaica shares +1");
        for wrong in ["es", "ZZ", "USA", "", "ES,", "*,ES", "001", "ÑÑ"] {
            assert_eq!(AllowedCountries::parse(wrong), Err(InvalidCountries), "{wrong}");
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
