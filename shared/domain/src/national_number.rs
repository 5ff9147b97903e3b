//! Phone numbers as people in a country write them.

use rlibphonenumber::{PHONE_NUMBER_UTIL, Region};

use crate::{
    country::Country,
    phone::{InvalidPhone, PhoneNumber, Written, read},
};

impl PhoneNumber {
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
        let international =
            read(&written.international(), None).or_else(|| without_former_digit(&written.digits, country));
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
        let number = PHONE_NUMBER_UTIL.parse(self.e164(), None).ok()?;
        let code = number.country_code;
        let token = PHONE_NUMBER_UTIL.get_country_mobile_token(code)?;
        read(&format!("+{code}{token}{}", number.get_national_significant_number()), None)
    }
}

/// The number that is written with a digit which its country has given up: Mexico's mobile numbers had a 1 after the calling
/// code until 2019.
fn without_former_digit(digits: &str, country: Country) -> Option<PhoneNumber> {
    const MEXICO: (&str, &str, &str) = ("MX", "52", "1");
    let (of, code, digit) = MEXICO;
    let rest = digits.strip_prefix(code)?.strip_prefix(digit)?;
    (country.as_str() == of).then(|| read(&format!("+{code}{rest}"), None))?
}

#[cfg(test)]
mod tests {
    use rlibphonenumber::{PhoneNumberFormat, enums::PhoneNumberType};

    use super::*;

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
            ("AR", "0351 15 512 3456", "+5493515123456"),
            ("AR", "351 512 3456", "+5493515123456"),
            ("AR", "+54 11 2345 6789", "+5491123456789"),
            ("AR", "+54 9 11 2345 6789", "+5491123456789"),
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
            if Country::of_mobile(&PhoneNumber::parse(&e164).unwrap()).is_none() {
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
}
