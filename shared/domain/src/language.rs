//! The languages of pages and messages, and how one is picked. To add one, add its file to `functions/web/texts`.

use serde::{Deserialize, Serialize};

include!(concat!(env!("OUT_DIR"), "/languages.rs"));

/// What a language's file says, except for the texts of pages.
struct Entry {
    language: Language,
    tag: &'static str,
    name: &'static str,
    right_to_left: bool,
    sms: Sms,
    emails: Emails,
    /// Name, title and text.
    mistakes: &'static [(&'static str, &'static str, &'static str)],
    home: &'static str,
}

/// The texts of messages. Each has variants, of which the first that fits one segment is sent.
pub(crate) struct Sms {
    pub code: &'static [&'static str],
    pub phone_changed: &'static [&'static str],
    pub test: &'static [&'static str],
}

/// The texts of emails. `{site}` stands for the site's name.
pub(crate) struct Emails {
    pub code_subject: &'static str,
    pub code: &'static str,
    pub code_ignore: &'static str,
    pub reset_subject: &'static str,
    pub reset: &'static str,
    pub reset_ignore: &'static str,
    pub notice_subject: &'static str,
    pub notice_ignore: &'static str,
    pub password_changed: &'static str,
    pub password_reset: &'static str,
    pub phone_changed: &'static str,
    pub phone_removed: &'static str,
    pub phone_taken_over: &'static str,
    pub email_changed: &'static str,
    pub recovery_codes_replaced: &'static str,
    pub totp_added: &'static str,
    pub totp_removed: &'static str,
    pub test_subject: &'static str,
    pub test: &'static str,
}

impl Language {
    pub const ALL: [Self; ENTRIES.len()] = {
        let mut all = [Self::English; ENTRIES.len()];
        let mut index = 0;
        while index < all.len() {
            all[index] = ENTRIES[index].language;
            index += 1;
        }
        all
    };

    /// The tag of BCP 47.
    #[must_use]
    pub fn tag(self) -> &'static str {
        ENTRIES[self as usize].tag
    }

    /// Its own name for itself.
    #[must_use]
    pub fn name(self) -> &'static str {
        ENTRIES[self as usize].name
    }

    #[must_use]
    pub fn is_right_to_left(self) -> bool {
        ENTRIES[self as usize].right_to_left
    }

    /// The title and the text of a page about a mistake in another site's request. Its name is that in the files; both are empty if
    /// there is none.
    #[must_use]
    pub fn mistake(self, name: &str) -> (&'static str, &'static str) {
        let found = ENTRIES[self as usize].mistakes.iter().find(|(known, _, _)| *known == name);
        found.map(|(_, title, text)| (*title, *text)).unwrap_or_default()
    }

    /// The link to the home page.
    #[must_use]
    pub fn home(self) -> &'static str {
        ENTRIES[self as usize].home
    }

    pub(crate) fn emails(self) -> &'static Emails {
        &ENTRIES[self as usize].emails
    }

    pub(crate) fn sms(self) -> &'static Sms {
        &ENTRIES[self as usize].sms
    }

    /// The language of a tag such as `es` or `es-MX`: the same tag, or else the first with the same language.
    #[must_use]
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        let same = |language: &Self| tag.eq_ignore_ascii_case(language.tag());
        let wanted = primary(tag);
        let alike = |language: &Self| primary(language.tag()) == wanted;
        Self::ALL.into_iter().find(same).or_else(|| Self::ALL.into_iter().find(alike))
    }

    /// The language among [`Self::ALL`] that `Accept-Language` (RFC 9110 §12.5.4) prefers; the first if none matches.
    #[must_use]
    pub fn preferred(accept_language: &str) -> Self {
        let mut best = (0.0, Self::default());
        for range in accept_language.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let Some(language) = parts.next().and_then(Self::of_tag) else { continue };
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f32>().ok());
            // Of two with equal weight, the one named first.
            if let Some(weight) = weight.filter(|weight| (0.0..=1.0).contains(weight) && *weight > best.0) {
                best = (weight, language);
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_language_is_picked() {
        for (header, language) in [
            ("es", Language::Spanish),
            ("es-MX,es;q=0.9,en;q=0.8", Language::Spanish),
            ("en-US,en;q=0.9,es;q=0.8", Language::English),
            ("tlh, ES;q=0.5, en;q=0.4", Language::Spanish),
            ("en;q=0.1,es;q=0.2", Language::Spanish),
            ("es;q=0", Language::English),
            ("es;q=much, en;q=0.1", Language::English),
            ("tlh", Language::English),
            ("*", Language::English),
            ("", Language::English),
            (",;q=,;;", Language::English),
        ] {
            assert_eq!(Language::preferred(header), language, "{header:?}");
        }
    }
}
