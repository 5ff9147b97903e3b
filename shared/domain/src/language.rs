//! The languages of pages and messages, and how one is picked.

use serde::{Deserialize, Serialize};

/// A language in which every text exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    #[default]
    #[serde(rename = "en")]
    English,
    #[serde(rename = "es")]
    Spanish,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::Spanish];

    /// The tag of BCP 47.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
        }
    }

    /// The language of a tag such as `es` or `es-MX`; the region is ignored.
    #[must_use]
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| primary.eq_ignore_ascii_case(language.tag()))
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
            ("fr, ES;q=0.5, en;q=0.4", Language::Spanish),
            ("en;q=0.1,es;q=0.2", Language::Spanish),
            ("es;q=0", Language::English),
            ("es;q=much, en;q=0.1", Language::English),
            ("fr", Language::English),
            ("*", Language::English),
            ("", Language::English),
            (",;q=,;;", Language::English),
        ] {
            assert_eq!(Language::preferred(header), language, "{header:?}");
        }
    }
}
