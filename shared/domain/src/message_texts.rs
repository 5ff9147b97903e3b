//! The texts of every SMS, in each language. Every message is one segment, so that it costs what the budget reserves for it.

use crate::{
    language::{Language, Sms},
    one_time_code::OneTimeCode,
    web_address::is_host_label,
};

/// How messages name the site. The operator sets it, never a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    pub name: String,
    pub host: String,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidSite {
    #[error(
        "the site name must have 1 to {} characters that every phone can display (GSM-7), and a letter or a digit",
        Site::LONGEST_NAME
    )]
    Name,
    #[error("the site host must be a plain host name of at most {} characters", Site::LONGEST_HOST)]
    Host,
}

impl Site {
    // With both at their longest, a message is still one segment; a test holds that.
    const LONGEST_NAME: usize = 30;
    const LONGEST_HOST: usize = 60;

    /// Reads what an admin typed. Blanks around the name are left out, and a host can be the address of its first page.
    ///
    /// # Errors
    /// [`InvalidSite`], naming what is wrong.
    pub fn new(name: &str, host: &str) -> Result<Self, InvalidSite> {
        let name = name.trim();
        // Phones turn `http://` into a link.
        let is_name = (1..=Self::LONGEST_NAME).contains(&name.chars().count())
            && name.chars().all(|c| !c.is_control() && septets(c) == Some(1))
            && name.chars().any(char::is_alphanumeric)
            && !name.contains("//");
        let host = host_of(host);
        match (is_name, host.len() <= Self::LONGEST_HOST && host.split('.').all(is_host_label)) {
            (false, _) => Err(InvalidSite::Name),
            (_, false) => Err(InvalidSite::Host),
            _ => Ok(Self { name: name.to_owned(), host }),
        }
    }
}

/// `https://Example.com/` is `example.com`. Anything else that isn't a host stays as it is.
fn host_of(typed: &str) -> String {
    let typed = typed.trim().to_lowercase();
    let rest = ["https://", "http://"].iter().find_map(|scheme| typed.strip_prefix(scheme)).unwrap_or(&typed);
    let host = rest.strip_suffix('/').unwrap_or(rest);
    let host = host.strip_suffix('.').unwrap_or(host);
    // Messages and browsers compare the ASCII form (RFC 5891).
    idna::domain_to_ascii(host).unwrap_or_else(|_| host.to_owned())
}

/// The message with the code. Its last line has the origin-bound form that phones fill in by themselves (WICG,
/// "Origin-bound one-time codes delivered via SMS").
#[must_use]
pub fn code_message(site: &Site, language: Language, code: &OneTimeCode) -> String {
    let (host, code) = (&site.host, code.expose());
    one_segment(
        site,
        language,
        |sms| sms.code,
        |sentence| format!("{}\n\n@{host} #{code}", sentence.replace("{code}", code)),
    )
}

/// The notice to a number that was removed from an account: no code, no link.
#[must_use]
pub fn phone_changed_message(site: &Site, language: Language) -> String {
    one_segment(site, language, |sms| sms.phone_changed, |sentence| sentence)
}

/// The admin's test message.
#[must_use]
pub fn test_message(site: &Site, language: Language) -> String {
    one_segment(site, language, |sms| sms.test, |sentence| sentence)
}

/// The first text of the language that fits one segment, or else the English one.
fn one_segment(
    site: &Site,
    language: Language,
    texts: fn(&'static Sms) -> &'static [&'static str],
    complete: impl Fn(String) -> String,
) -> String {
    let candidates = texts(language.sms()).iter().chain(texts(Language::English.sms()));
    let mut messages = candidates.map(|text| complete(text.replace("{site}", &site.name)));
    let first = messages.next().expect("every language has a text");
    if is_one_segment(&first) { first } else { messages.find(|message| is_one_segment(message)).unwrap_or(first) }
}

/// Whether a message is 160 septets of GSM-7 or 70 units of UCS-2 at most (3GPP TS 23.038 §6.2.1).
fn is_one_segment(message: &str) -> bool {
    const GSM_7: usize = 160;
    const UCS_2: usize = 70;
    match message.chars().map(septets).sum::<Option<usize>>() {
        Some(septets) => septets <= GSM_7,
        None => message.encode_utf16().count() <= UCS_2,
    }
}

/// How much of a GSM-7 message a character takes; `None` if it has none of its own.
fn septets(c: char) -> Option<usize> {
    const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
    const EXTENSION: &str = "\u{c}^{}\\[~]|€";
    if BASIC.contains(c) {
        Some(1)
    } else if EXTENSION.contains(c) {
        Some(2)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_message_is_that_of_the_contract() {
        let site = Site::new("Example", "example.com").unwrap();
        let text = code_message(&site, Language::English, &OneTimeCode::parse("123456").unwrap());
        assert_eq!(text, "Example: your code is 123456. Do not share it.\n\n@example.com #123456");
    }

    fn messages(site: &Site, language: Language) -> [String; 3] {
        let code = OneTimeCode::parse("000000").unwrap();
        [code_message(site, language, &code), phone_changed_message(site, language), test_message(site, language)]
    }

    #[test]
    fn the_longest_message_is_one_segment_in_every_language() {
        for name in [1, 7, Site::LONGEST_NAME] {
            for host in 1..=Site::LONGEST_HOST {
                let site = Site::new(&"N".repeat(name), &"h".repeat(host)).unwrap();
                for text in Language::ALL.into_iter().flat_map(|language| messages(&site, language)) {
                    assert!(is_one_segment(&text), "{text}");
                    assert!(text.contains(&site.name) && !text.contains(['{', '}']), "{text}");
                }
            }
        }
    }

    #[test]
    fn messages_to_sites_of_usual_length_are_in_their_language() {
        let site = Site::new("Example", "example.com").unwrap();
        let all: Vec<String> = Language::ALL.into_iter().flat_map(|language| messages(&site, language)).collect();
        let different: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }

    #[test]
    fn a_segment_is_counted_in_septets_or_in_units_of_ucs_2() {
        for fits in ["a".repeat(160), "€".repeat(80), "é".repeat(160), "ó".repeat(70), "م".repeat(70), "😀".repeat(35)]
        {
            assert!(is_one_segment(&fits), "{fits}");
            assert!(!is_one_segment(&format!("{fits}a")), "{fits}");
        }
    }

    #[test]
    fn phones_find_the_code_by_the_last_line_in_every_language() {
        let site = Site::new("Example", "example.com").unwrap();
        for language in Language::ALL {
            let text = code_message(&site, language, &OneTimeCode::parse("123456").unwrap());
            assert!(text.starts_with("Example: ") && text.ends_with("\n\n@example.com #123456"), "{text}");
            assert_eq!(text.matches("123456").count(), 2, "once for people, once for phones");
        }
    }

    #[test]
    fn names_have_all_of_the_basic_alphabet() {
        for name in ["Peña", "Café", "24/7", "Müller & Söhne", "Ødegård", "7", "L'Été?", "ΔΩ"] {
            assert_eq!(Site::new(&format!(" {name} "), "example.com").unwrap().name, name);
        }
    }

    #[test]
    fn a_host_can_be_typed_as_an_address() {
        for (typed, host) in [
            ("https://Example.com/", "example.com"),
            ("http://shop.example.com", "shop.example.com"),
            (" EXAMPLE.com. ", "example.com"),
            ("localhost", "localhost"),
            ("bücher.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(Site::new("Example", typed).unwrap().host, host);
        }
    }

    #[test]
    fn a_site_cannot_smuggle_anything_into_messages() {
        for name in [
            "",
            " ",
            "..",
            "-",
            "Evil\nsite",
            "Tónico",
            "Shop €",
            "http://evil.example",
            "東京",
            "a\u{200b}b",
            &"N".repeat(31),
        ] {
            assert_eq!(Site::new(name, "example.com").unwrap_err(), InvalidSite::Name, "{name:?}");
        }
        for host in [
            "",
            " ",
            ".",
            "..",
            "-",
            "a..b",
            "-a.b",
            "a b",
            "a/b",
            "https://a/b",
            "a#1",
            "host:9000",
            "ftp://a.b",
            "[::1]",
            &"h".repeat(61),
        ] {
            assert_eq!(Site::new("Example", host).unwrap_err(), InvalidSite::Host, "{host:?}");
        }
    }

    proptest! {
        #[test]
        fn every_message_of_every_accepted_site_is_one_segment(
            name in "[ -~@£$¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà]{1,30}",
            host in "[a-z0-9]{1,20}(\\.[a-z0-9]{1,19}){0,2}",
        ) {
            let Ok(site) = Site::new(&name, &host) else { return Ok(()) };
            for text in Language::ALL.into_iter().flat_map(|language| messages(&site, language)) {
                prop_assert!(is_one_segment(&text), "{}", text);
            }
        }
    }
}
