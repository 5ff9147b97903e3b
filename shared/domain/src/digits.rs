//! Decimal digits of every script. Keyboards of many languages type their own.

/// The zero of each set of decimal digits (Unicode 16, general category Nd); the other nine follow it.
#[rustfmt::skip]
const ZEROS: &[char] = &[
    '\u{30}', '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}', '\u{be6}',
    '\u{c66}', '\u{ce6}', '\u{d66}', '\u{de6}', '\u{e50}', '\u{ed0}', '\u{f20}', '\u{1040}', '\u{1090}', '\u{17e0}',
    '\u{1810}', '\u{1946}', '\u{19d0}', '\u{1a80}', '\u{1a90}', '\u{1b50}', '\u{1bb0}', '\u{1c40}', '\u{1c50}',
    '\u{a620}', '\u{a8d0}', '\u{a900}', '\u{a9d0}', '\u{a9f0}', '\u{aa50}', '\u{abf0}', '\u{ff10}', '\u{104a0}',
    '\u{10d30}', '\u{10d40}', '\u{11066}', '\u{110f0}', '\u{11136}', '\u{111d0}', '\u{112f0}', '\u{11450}',
    '\u{114d0}', '\u{11650}', '\u{116c0}', '\u{116d0}', '\u{116da}', '\u{11730}', '\u{118e0}', '\u{11950}',
    '\u{11bf0}', '\u{11c50}', '\u{11d50}', '\u{11da0}', '\u{11f50}', '\u{16a60}', '\u{16ac0}', '\u{16b50}',
    '\u{1ccf0}', '\u{1d7ce}', '\u{1d7d8}', '\u{1d7e2}', '\u{1d7ec}', '\u{1d7f6}', '\u{1e140}', '\u{1e2f0}',
    '\u{1e4f0}', '\u{1e5f1}', '\u{1e950}', '\u{1fbf0}',
];

/// The value of a decimal digit.
#[must_use]
pub fn value(c: char) -> Option<u32> {
    let zero = ZEROS[..ZEROS.partition_point(|zero| *zero <= c)].last()?;
    Some(c as u32 - *zero as u32).filter(|value| *value < 10)
}

/// The ASCII digit of the same value, such as `3` for `٣`.
#[must_use]
pub fn ascii(c: char) -> Option<char> {
    value(c).and_then(|value| char::from_digit(value, 10))
}

/// Whether it is a digit in the full width of East Asian characters: an ASCII digit in another form and of no script of its own.
#[must_use]
pub fn is_full_width(c: char) -> bool {
    matches!(c, '\u{ff10}'..='\u{ff19}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_every_script_have_a_value() {
        for digits in [
            "0123456789",
            "٠١٢٣٤٥٦٧٨٩",
            "۰۱۲۳۴۵۶۷۸۹",
            "०१२३४५६७८९",
            "০১২৩৪৫৬৭৮৯",
            "０１２３４５６７８９",
            "๐๑๒๓๔๕๖๗๘๙",
            "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗",
            "𞥐𞥑𞥒𞥓𞥔𞥕𞥖𞥗𞥘𞥙",
        ] {
            assert_eq!(digits.chars().filter_map(ascii).collect::<String>(), "0123456789", "{digits}");
        }
        assert!(ZEROS.is_sorted());
    }

    #[test]
    fn other_characters_have_none() {
        for other in "aZ -+/:½²③Ⅷ万\u{200e}\u{fe0f}".chars() {
            assert_eq!(value(other), None, "{other:?}");
        }
    }
}
