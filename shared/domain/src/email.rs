//! Email addresses: kept as written, compared without case.

use std::{borrow::Cow, fmt};

use idna::AsciiDenyList;
use serde::{Deserialize, Serialize};

use crate::{invisible, web_address::is_host_label};

/// An address of the form that browsers accept in `<input type=email>` (WHATWG HTML, "valid e-mail address"), with a dot in its domain
/// and at most 254 characters (RFC 5321 §4.5.3.1.3). ASCII only, so no look-alike letters: an internationalised domain is kept as
/// punycode (RFC 5891). Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a valid email address")]
pub struct InvalidEmail;

impl EmailAddress {
    const LONGEST: usize = 254;
    const LONGEST_LOCAL_PART: usize = 64;

    /// # Errors
    /// [`InvalidEmail`] unless it is an address with an ASCII local part and a dotted domain.
    pub fn parse(input: &str) -> Result<Self, InvalidEmail> {
        // Before the domain is converted, which takes longer the longer it is.
        if input.len() > 2 * Self::LONGEST {
            return Err(InvalidEmail);
        }
        let (local, domain) = invisible::trimmed(input).rsplit_once('@').ok_or(InvalidEmail)?;
        let domain = ascii_domain(domain)?;
        let well_formed = local.len() + 1 + domain.len() <= Self::LONGEST
            && (1..=Self::LONGEST_LOCAL_PART).contains(&local.len())
            && local.bytes().all(is_local_byte)
            && domain.contains('.')
            && domain.split('.').all(is_host_label);
        if well_formed { Ok(Self(format!("{local}@{domain}"))) } else { Err(InvalidEmail) }
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

    /// The first characters of both parts and the last label, such as `a•••@e•••.com`: all that a caller who may not be the
    /// owner gets to see. Two spellings of one address have one hint.
    #[must_use]
    pub fn hint(&self) -> String {
        let address = self.normalised();
        let (local, domain) = address.rsplit_once('@').unwrap_or_default();
        let (_, last_label) = domain.rsplit_once('.').unwrap_or_default();
        format!("{}•••@{}•••.{last_label}", &local[..1], &domain[..1])
    }
}

/// The sender of emails: an address, and a name that mail programs show beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    name: Option<String>,
    pub address: EmailAddress,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected an address such as no-reply@example.com or Example <no-reply@example.com>")]
pub struct InvalidSender;

impl Sender {
    const LONGEST_NAME: usize = 64;

    /// Reads `no-reply@example.com`, `Example <no-reply@example.com>` or `"Example, Inc." <no-reply@example.com>`.
    ///
    /// # Errors
    /// [`InvalidSender`] for anything else, and for names with characters that a header would need to encode.
    pub fn parse(input: &str) -> Result<Self, InvalidSender> {
        let plain = |address: &str| EmailAddress::parse(address).map_err(|_| InvalidSender);
        let Some((name, address)) = input.trim().split_once('<') else {
            return Ok(Self { name: None, address: plain(input)? });
        };
        let address = plain(address.strip_suffix('>').ok_or(InvalidSender)?)?;
        let name = name.trim();
        let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
        let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && !b"\"\\<>".contains(&byte);
        if name.len() > Self::LONGEST_NAME || !name.bytes().all(is_plain) {
            return Err(InvalidSender);
        }
        Ok(Self { name: Some(name.to_owned()).filter(|name| !name.is_empty()), address })
    }
}

/// The form of a `From` header (RFC 5322 §3.4).
impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address.as_written();
        match &self.name {
            Some(name) => write!(f, "\"{name}\" <{address}>"),
            None => f.write_str(address),
        }
    }
}

/// The domain as it was written, or as punycode if it isn't ASCII.
fn ascii_domain(domain: &str) -> Result<Cow<'_, str>, InvalidEmail> {
    if domain.is_ascii() {
        return Ok(Cow::Borrowed(domain));
    }
    if domain.chars().any(invisible::is_invisible) {
        return Err(InvalidEmail);
    }
    idna::domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::STD3).map_err(|_| InvalidEmail)
}

fn is_local_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte)
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
    fn a_hint_shows_a_letter_of_each_part_whatever_the_spelling() {
        for (address, hint) in [
            ("ada.lovelace@example.com", "a•••@e•••.com"),
            ("Ada.Lovelace@Example.COM", "a•••@e•••.com"),
            ("x@mail.example.co.uk", "x•••@m•••.uk"),
        ] {
            assert_eq!(EmailAddress::parse(address).unwrap().hint(), hint);
        }
    }

    #[test]
    fn a_sender_is_an_address_with_or_without_a_name() {
        for (input, header) in [
            ("no-reply@example.com", "no-reply@example.com"),
            ("Example <no-reply@example.com>", "\"Example\" <no-reply@example.com>"),
            ("\"Example, Inc.\" <no-reply@example.com>", "\"Example, Inc.\" <no-reply@example.com>"),
            ("<no-reply@example.com>", "no-reply@example.com"),
        ] {
            let sender = Sender::parse(input).unwrap();
            assert_eq!(sender.to_string(), header);
            assert_eq!(sender.address.as_written(), "no-reply@example.com");
        }
        for wrong in ["", "Example", "Example <no-reply>", "Example <a@b.co", "A\r\nBcc: x <a@b.co>", "Señor <a@b.co>"]
        {
            assert_eq!(Sender::parse(wrong), Err(InvalidSender), "{wrong:?}");
        }
    }

    #[test]
    fn what_browsers_accept_is_accepted() {
        for fine in [".a@b.co", "a.@b.co", "a..b@c.co", "o'neil+1@b.co", "a@b-c.d.museum", "!#$%&*/=?^_`{|}~-@b.co"] {
            assert_eq!(EmailAddress::parse(fine).unwrap().as_written(), fine);
        }
    }

    #[test]
    fn pasted_marks_are_cleaned_and_domains_become_punycode() {
        for (typed, kept) in [
            ("\u{200e}ada@example.com\u{202c}\u{a0}", "ada@example.com"),
            ("ada@bücher.de", "ada@xn--bcher-kva.de"),
            ("Ada@BÜCHER.DE", "Ada@xn--bcher-kva.de"),
            ("ada@例え.jp", "ada@xn--r8jz45g.jp"),
            ("ada@ｅｘａｍｐｌｅ．com", "ada@example.com"),
        ] {
            assert_eq!(EmailAddress::parse(typed).unwrap().as_written(), kept);
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
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
            "a@b.\nco",
            "ä@b.co",
            "a@[127.0.0.1]",
            "a@bü cher.de",
            "a@bü\u{200d}cher.de",
            "a@bücher",
            "a@\u{301}x.de",
            "\"a\"@b.co",
            "a@b@c.co",
            "a@b.\u{200b}co",
            &long_local,
            &format!("a@{}.de", "ü".repeat(10_000)),
        ] {
            assert_eq!(EmailAddress::parse(wrong), Err(InvalidEmail), "{wrong:?}");
        }
    }
}
