//! Countries, and which numbers may be sent a code. Add a country rule here.

use std::{collections::BTreeSet, fmt};

use rlibphonenumber::{PHONE_NUMBER_UTIL, enums::PhoneNumberType};
use serde::{Deserialize, Serialize};

use crate::phone::PhoneNumber;

/// A country or territory with telephone numbers of its own: an ISO 3166-1 alpha-2 code in upper case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an ISO 3166-1 alpha-2 code of a country with telephone numbers")]
pub struct InvalidCountry;

impl Country {
    /// # Errors
    /// [`InvalidCountry`] unless it is the upper-case code of a country that libphonenumber knows.
    pub fn parse(code: &str) -> Result<Self, InvalidCountry> {
        let is_known = || PHONE_NUMBER_UTIL.get_supported_regions().any(|region| *region.as_region_str() == *code);
        match code.as_bytes() {
            [first @ b'A'..=b'Z', second @ b'A'..=b'Z'] if is_known() => Ok(Self([*first, *second])),
            _ => Err(InvalidCountry),
        }
    }

    /// The country of a number that can receive messages; `None` for numbers that are not mobile or belong to no country.
    /// The number's region decides, not its calling code: `+1` is the USA and twenty other countries.
    #[must_use]
    pub fn of_mobile(phone: &PhoneNumber) -> Option<Self> {
        let number = PHONE_NUMBER_UTIL.parse(phone.e164(), None).ok()?;
        let can_receive = matches!(number.get_type(), PhoneNumberType::Mobile | PhoneNumberType::FixedLineOrMobile);
        Self::of(phone).filter(|_| can_receive)
    }

    /// The country of a number of any kind. libphonenumber's region 001, for numbers that belong to no country, is not a country.
    pub(crate) fn of(phone: &PhoneNumber) -> Option<Self> {
        let number = PHONE_NUMBER_UTIL.parse(phone.e164(), None).ok()?;
        number.get_region_code().and_then(|region| Self::parse(&region.as_region_str()).ok())
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

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("numbers of this type or country are not allowed")]
pub struct PhoneNotAllowed;

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

    /// The country of `phone`, if codes may be sent there.
    ///
    /// # Errors
    /// [`PhoneNotAllowed`] for numbers that are not mobile, that belong to no country, or to one not on the list.
    pub fn check(&self, phone: &PhoneNumber) -> Result<Country, PhoneNotAllowed> {
        let served = |country: &Country| match self {
            Self::All => true,
            Self::Only(countries) => countries.contains(country),
        };
        Country::of_mobile(phone).filter(served).ok_or(PhoneNotAllowed)
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
    fn the_region_decides_the_country_and_not_the_calling_code() {
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
}
