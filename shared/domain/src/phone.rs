//! Phone numbers in one canonical form.

use std::fmt;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, Region};
use serde::{Deserialize, Serialize};

use crate::{country::Country, digits};

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

    /// Accepts a number as people in `country` write it: with or without its trunk prefix, calling code or exit code, and the local
    /// numbers of islands. Separators are as in [`Self::parse`], and slashes.
    ///
    /// A number of the country wins over numbers of others that have the same digits. Among its readings, exactly one must be a mobile
    /// number, if need be with the digit that makes it mobile (Argentina's 9). If none is, the first valid one is the answer, and the
    /// caller refuses it for what it is.
    ///
    /// # Errors
    /// [`InvalidPhone`] if it has no reading, or if it has two that are mobile numbers.
    pub fn parse_in(input: &str, country: Country) -> Result<Self, InvalidPhone> {
        let written = Written::parse(input).ok_or(InvalidPhone)?;
        let region = Region::try_from(country.as_str()).map_err(|_| InvalidPhone)?;
        let international = read(&written.international(), None);
        let of_country = |number: &Self| Country::of(number) == Some(country);
        let (usual, others) = if written.has_plus {
            (vec![international], vec![])
        } else {
            let without_exit_code =
                written.digits.strip_prefix("00").and_then(|digits| read(&format!("+{digits}"), None));
            let with_code = international.clone().filter(of_country);
            (vec![read(&written.digits, Some(region)), with_code], vec![international, without_exit_code])
        };
        // A number of the country itself wins over numbers of others that happen to have the same digits.
        let usual: Vec<Self> = usual.into_iter().flatten().collect();
        let valid = if usual.is_empty() { others.into_iter().flatten().collect() } else { usual };
        let with_token = valid.iter().filter_map(Self::with_mobile_token).collect();
        for numbers in [&valid, &with_token] {
            let mut mobile: Vec<&Self> = numbers.iter().filter(|number| Country::of_mobile(number).is_some()).collect();
            mobile.dedup();
            match mobile.as_slice() {
                [] => {}
                [one] => return Ok((*one).clone()),
                _ => return Err(InvalidPhone),
            }
        }
        valid.into_iter().next().ok_or(InvalidPhone)
    }

    /// The mobile number that is written without the digit that makes it mobile, where a country has one.
    fn with_mobile_token(&self) -> Option<Self> {
        let number = PHONE_NUMBER_UTIL.parse(&self.0, None).ok()?;
        let code = number.country_code;
        let token = PHONE_NUMBER_UTIL.get_country_mobile_token(code)?;
        read(&format!("+{code}{token}{}", number.get_national_significant_number()), None)
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
fn read(number: &str, region: Option<Region>) -> Option<PhoneNumber> {
    let number = PHONE_NUMBER_UTIL.parse(number, region).ok().filter(|number| number.is_valid())?;
    Some(PhoneNumber(number.format_as(PhoneNumberFormat::E164).into_owned()))
}

/// An input without its permitted punctuation.
struct Written {
    has_plus: bool,
    full_width: bool,
    /// ASCII digits.
    digits: String,
}

impl Written {
    /// `None` if there is anything but digits and punctuation, or a second pair of brackets.
    fn parse(input: &str) -> Option<Self> {
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

    fn international(&self) -> String {
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
    use rlibphonenumber::enums::PhoneNumberType;

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
    fn numbers_are_read_as_people_in_a_country_write_them() {
        for (country, written, e164) in [
            ("ES", "612 34 56 78", "+34612345678"),
            ("ES", "٦١٢٣٤٥٦٧٨", "+34612345678"),
            ("ES", "６１２ ３４５ ６７８", "+34612345678"),
            ("ES", "34612345678", "+34612345678"),
            ("ES", "0034 612 345 678", "+34612345678"),
            ("ES", "+44 7911 123456", "+447911123456"),
            ("ES", "447911123456", "+447911123456"),
            ("GB", "07911 123456", "+447911123456"),
            ("GB", "(0)7911 123456", "+447911123456"),
            ("DE", "0151/12345678", "+4915112345678"),
            ("DE", "151 12345678", "+4915112345678"),
            ("US", "(415) 555-2671", "+14155552671"),
            ("US", "1 415 555 2671", "+14155552671"),
            ("US", "011 34 612 345 678", "+34612345678"),
            ("US", "0034 612 345 678", "+34612345678"),
            ("AU", "0011 34 612 345 678", "+34612345678"),
            ("AU", "0412 345 678", "+61412345678"),
            ("BB", "230 1234", "+12462301234"),
            ("BS", "359 1234", "+12423591234"),
            ("IT", "312 345 6789", "+393123456789"),
            ("HU", "06 20 123 4567", "+36201234567"),
            ("RU", "8 912 345-67-89", "+79123456789"),
            ("BR", "(11) 96123-4567", "+5511961234567"),
            ("BR", "011 96123-4567", "+5511961234567"),
            ("MX", "55 1234 5678", "+525512345678"),
            ("MX", "+52 1 55 1234 5678", "+525512345678"),
            ("AR", "11 2345-6789", "+5491123456789"),
            ("AR", "011 15-2345-6789", "+5491123456789"),
            ("AR", "11 15 2345 6789", "+5491123456789"),
            ("AR", "9 11 2345 6789", "+5491123456789"),
            ("AR", "+54 11 2345 6789", "+5491123456789"),
            ("AR", "+54 9 11 2345 6789", "+5491123456789"),
            ("AR", "0351 15 123 4567", "+5493511234567"),
        ] {
            let read = PhoneNumber::parse_in(written, Country::parse(country).unwrap());
            assert_eq!(read.as_ref().map(PhoneNumber::e164), Ok(e164), "{country} {written}");
        }
    }

    #[test]
    fn a_number_that_is_not_mobile_stays_what_it_is() {
        let read = |country, written| PhoneNumber::parse_in(written, Country::parse(country).unwrap());
        assert_eq!(read("GB", "020 7946 0958").unwrap().e164(), "+442079460958");
        for wrong in [
            "",
            "123",
            "612 34 56 7a",
            "612345678;ext=1",
            "tel:612345678",
            "612\u{200b}345678",
            "1 800 FLOWERS",
            "(612)(345)678",
        ] {
            assert_eq!(read("ES", wrong), Err(InvalidPhone), "{wrong:?}");
        }
    }

    /// The library's example of every country, in the ways that its people write it.
    #[test]
    fn mobile_numbers_of_every_country_are_read_in_every_form() {
        for region in PHONE_NUMBER_UTIL.get_supported_regions() {
            let Ok(example) = PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(region, PhoneNumberType::Mobile)
            else {
                continue;
            };
            let Ok(country) = Country::parse(&region.as_region_str()) else { continue };
            let e164 = example.format_as(PhoneNumberFormat::E164).into_owned();
            if Country::of_mobile(&PhoneNumber(e164.clone())).is_none() {
                continue;
            }
            let national = example.format_as(PhoneNumberFormat::National).into_owned();
            let digits = national.chars().filter(char::is_ascii_digit).collect::<String>();
            for written in
                [national, digits, example.get_national_significant_number(), e164[1..].to_owned(), e164.clone()]
            {
                let read = PhoneNumber::parse_in(&written, country);
                assert_eq!(read.as_ref().map(PhoneNumber::e164), Ok(e164.as_str()), "{country:?} {written}");
            }
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
