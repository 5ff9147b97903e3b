//! Email addresses: kept as written, compared without case.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An address of the form that browsers accept in `<input type=email>` (WHATWG HTML, "valid e-mail address"), at most
/// 254 characters (RFC 5321 §4.5.3.1.3). ASCII only, so no look-alike letters. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a valid email address")]
pub struct InvalidEmail;

impl EmailAddress {
    const LONGEST: usize = 254;
    const LONGEST_LOCAL_PART: usize = 64;
    const LONGEST_LABEL: usize = 63;

    /// # Errors
    /// [`InvalidEmail`] unless it is a plain ASCII address with a dotted domain.
    pub fn parse(input: &str) -> Result<Self, InvalidEmail> {
        let address = input.trim_matches(' ');
        let (local, domain) = address.rsplit_once('@').ok_or(InvalidEmail)?;
        let well_formed = address.len() <= Self::LONGEST
            && (1..=Self::LONGEST_LOCAL_PART).contains(&local.len())
            && local.bytes().all(is_local_byte)
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && domain.contains('.')
            && domain.split('.').all(is_label);
        if well_formed { Ok(Self(address.to_owned())) } else { Err(InvalidEmail) }
    }

    /// The form in which two spellings of one address are equal.
    #[must_use]
    pub fn normalised(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    #[must_use]
    pub fn as_written(&self) -> &str {
        &self.0
    }
}

fn is_local_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte)
}

fn is_label(label: &str) -> bool {
    (1..=EmailAddress::LONGEST_LABEL).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(…)")
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = InvalidEmail;

    fn try_from(value: String) -> Result<Self, Self::Error> {
        Self::parse(&value)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_as_written_and_compared_without_case() {
        let address = EmailAddress::parse(" Ada.Lovelace+x@Example.COM ").unwrap();
        assert_eq!(address.as_written(), "Ada.Lovelace+x@Example.COM");
        assert_eq!(address.normalised(), "ada.lovelace+x@example.com");
    }

    #[test]
    fn what_is_not_a_plain_address_is_refused() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        for wrong in [
            "",
            "a",
            "@b.co",
            "a@",
            "a@b",
            "a@b..co",
            "a@b.co.",
            "a@-b.co",
            "a b@c.co",
            "a@b.co\n",
            "ä@b.co",
            "a@bücher.de",
            "a@[127.0.0.1]",
            ".a@b.co",
            "a.@b.co",
            "a..b@c.co",
            "\"a\"@b.co",
            "a@b@c.co",
            "a@b.\u{200b}co",
            &long_local,
        ] {
            assert_eq!(EmailAddress::parse(wrong), Err(InvalidEmail), "{wrong:?}");
        }
    }
}
