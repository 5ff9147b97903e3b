//! The texts of every SMS, in each language.

use crate::{language::Language, one_time_code::OneTimeCode};

/// How messages name the site. The operator sets it, never a user.
#[derive(Clone, Debug)]
pub struct Site {
    pub name: String,
    pub host: String,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidSite {
    #[error(
        "the site name must have 1 to {} characters: letters, digits, spaces and . , - ' & (every phone can display them)",
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

    /// # Errors
    /// [`InvalidSite`], naming what is wrong.
    pub fn new(name: &str, host: &str) -> Result<Self, InvalidSite> {
        let name_fits = (1..=Self::LONGEST_NAME).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" .,-'&".contains(&byte));
        let host_fits = (1..=Self::LONGEST_HOST).contains(&host.len())
            && host.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte));
        match (name_fits, host_fits) {
            (false, _) => Err(InvalidSite::Name),
            (_, false) => Err(InvalidSite::Host),
            _ => Ok(Self { name: name.to_owned(), host: host.to_owned() }),
        }
    }
}

/// The message with the code. Its last line has the origin-bound form that phones fill in by themselves (WICG,
/// "Origin-bound one-time codes delivered via SMS").
#[must_use]
pub fn code_message(site: &Site, language: Language, code: &OneTimeCode) -> String {
    let (name, host, code) = (&site.name, &site.host, code.expose());
    let sentence = match language {
        Language::English => format!("{name}: your code is {code}. Do not share it."),
        // Not "código": GSM-7 has no ó, and one such letter would make the message two segments.
        Language::Spanish => format!("{name}: tu clave es {code}. No la compartas."),
    };
    format!("{sentence}\n\n@{host} #{code}")
}

/// The notice to a number that was removed from an account: no code, no link.
#[must_use]
pub fn phone_changed_message(site: &Site, language: Language) -> String {
    let sentence = match language {
        Language::English => {
            "this number was removed from your account. If this wasn't you, sign in and change it back."
        }
        Language::Spanish => {
            "este teléfono ya no pertenece a tu cuenta. Si no has hecho este cambio, entra y vuelve a ponerlo."
        }
    };
    format!("{}: {sentence}", site.name)
}

/// The admin's test message.
#[must_use]
pub fn test_message(site: &Site, language: Language) -> String {
    let sentence = match language {
        Language::English => "this is a test message. SMS reaches this number.",
        Language::Spanish => "este es un mensaje de prueba. Los SMS llegan a este teléfono.",
    };
    format!("{}: {sentence}", site.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GSM 03.38's basic alphabet, as far as these messages use it.
    fn is_gsm7(c: char) -> bool {
        c.is_ascii_alphanumeric() || " \n.,:-'&@#èéùìòÇØøÅåÆæßÉÄÖÑÜäöñüà¿¡".contains(c)
    }

    #[test]
    fn the_message_is_that_of_the_contract() {
        let site = Site::new("Example", "example.com").unwrap();
        let text = code_message(&site, Language::English, &OneTimeCode::parse("123456").unwrap());
        assert_eq!(text, "Example: your code is 123456. Do not share it.\n\n@example.com #123456");
    }

    #[test]
    fn the_longest_message_is_one_gsm_7_segment_in_every_language() {
        let site = Site::new(&"N".repeat(30), &"h".repeat(60)).unwrap();
        let code = OneTimeCode::parse("000000").unwrap();
        for language in Language::ALL {
            let code = code_message(&site, language, &code);
            for text in [code, phone_changed_message(&site, language), test_message(&site, language)] {
                let length = text.chars().count();
                assert!(text.chars().all(is_gsm7) && length <= 160, "{length} characters: {text}");
            }
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
    fn a_site_cannot_smuggle_anything_into_messages() {
        for name in ["", "Evil\nsite", "Ünïcode", "http://evil.example", &"N".repeat(31)] {
            assert_eq!(Site::new(name, "example.com").unwrap_err(), InvalidSite::Name, "{name:?}");
        }
        for host in ["", "Example.com", "a b", "a/b", "a#1", "host:9000"] {
            assert_eq!(Site::new("Example", host).unwrap_err(), InvalidSite::Host, "{host:?}");
        }
    }
}
