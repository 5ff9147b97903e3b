//! How the pages look: a site's logo, its accent colour, the shape of its corners, and the links that it shows.
//!
//! An admin chooses one accent. The colours that pages paint with are derived from it for both colour schemes, so that every
//! pair of text and background has the contrast that WCAG 2.2 asks for (1.4.3, level AA).

use serde::{Deserialize, Serialize};

use crate::web_address::HttpsUrl;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Theme {
    #[serde(default)]
    pub logo: Option<HttpsUrl>,
    #[serde(default)]
    pub accent: Option<Accent>,
    #[serde(default)]
    pub radius: Option<Radius>,
}

/// What a site's visitors find at the end of each page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    #[serde(default)]
    pub terms: Option<HttpsUrl>,
    #[serde(default)]
    pub privacy: Option<HttpsUrl>,
    #[serde(default)]
    pub help: Option<HttpsUrl>,
}

/// The radius of corners in CSS pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr, strum::EnumString)]
pub enum Radius {
    #[serde(rename = "0")]
    #[strum(serialize = "0")]
    Square,
    #[serde(rename = "8")]
    #[strum(serialize = "8")]
    Rounded,
    #[serde(rename = "16")]
    #[strum(serialize = "16")]
    Round,
}

/// A colour of sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb([u8; 3]);

/// A colour that can be read on white, and in which white can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Accent(Rgb);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidAccent {
    #[error("not a colour such as #0f6d64")]
    NotAColour,
    #[error("too light to be read on white")]
    LowContrast,
}

/// The colours of one scheme that depend on the accent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// Links, and the background of buttons.
    pub accent: Rgb,
    /// The same under the pointer.
    pub accent_strong: Rgb,
    /// The text of buttons.
    pub on_accent: Rgb,
    /// The background of what is selected.
    pub tint: Rgb,
}

/// Parts in a hundred of another colour.
type Percent = u32;

impl Rgb {
    const WHITE: Self = Self([0xff; 3]);
    const BLACK: Self = Self([0; 3]);

    /// `#rrggbb`.
    #[must_use]
    pub fn css(self) -> String {
        let Self([red, green, blue]) = self;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }

    fn parse(input: &str) -> Option<Self> {
        let digits = input.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        // `from_str_radix` takes a sign.
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        Some(Self([red, green, blue]))
    }

    /// Relative luminance (WCAG 2.2, "relative luminance").
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let share = f64::from(channel) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// From 1 to 21 (WCAG 2.2, "contrast ratio").
    fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    fn mixed(self, with: Self, percent: Percent) -> Self {
        let mix = |own: u8, other: u8| {
            let mixed = (u32::from(own) * (100 - percent) + u32::from(other) * percent + 50) / 100;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        Self(std::array::from_fn(|channel| mix(self.0[channel], with.0[channel])))
    }

    /// This colour, moved towards `end` as little as reading it on all of `backgrounds` takes.
    fn readable(self, end: Self, backgrounds: &[Self]) -> Self {
        (0..=100)
            .map(|percent| self.mixed(end, percent))
            .find(|colour| backgrounds.iter().all(|background| colour.contrast(*background) >= Accent::CONTRAST))
            .unwrap_or(end)
    }
}

impl Accent {
    /// The least contrast of text (WCAG 2.2, 1.4.3).
    pub const CONTRAST: f64 = 4.5;

    /// Reads `#rrggbb`.
    ///
    /// # Errors
    /// [`InvalidAccent`]
    pub fn parse(input: &str) -> Result<Self, InvalidAccent> {
        let colour = Rgb::parse(input).ok_or(InvalidAccent::NotAColour)?;
        if colour.contrast(Rgb::WHITE) < Self::CONTRAST {
            return Err(InvalidAccent::LowContrast);
        }
        Ok(Self(colour))
    }

    #[must_use]
    pub fn css(self) -> String {
        self.0.css()
    }

    /// The colours of the light scheme, whose darkest background is the tint.
    #[must_use]
    pub fn light(self) -> Palette {
        let tint = Rgb::WHITE.mixed(self.0, 10);
        let accent = self.0.readable(Rgb::BLACK, &[tint, LIGHT_PAGE]);
        Palette { accent, accent_strong: accent.mixed(Rgb::BLACK, 25), on_accent: Rgb::WHITE, tint }
    }

    /// The colours of the dark scheme. The accent is lightened until it can be read there.
    #[must_use]
    pub fn dark(self) -> Palette {
        let tint = DARK_CARD.mixed(self.0, 20);
        let accent = self.0.readable(Rgb::WHITE, &[tint, DARK_CARD]);
        Palette { accent, accent_strong: accent.mixed(Rgb::WHITE, 30), on_accent: DARK_PAGE, tint }
    }
}

/// `--page` in `functions/web/style.css`, light.
const LIGHT_PAGE: Rgb = Rgb([0xf4, 0xf6, 0xf6]);
/// `--page` and `--card`, dark.
const DARK_PAGE: Rgb = Rgb([0x0f, 0x15, 0x14]);
const DARK_CARD: Rgb = Rgb([0x18, 0x20, 0x1f]);

impl TryFrom<String> for Accent {
    type Error = InvalidAccent;

    fn try_from(input: String) -> Result<Self, InvalidAccent> {
        Self::parse(&input)
    }
}

impl From<Accent> for String {
    fn from(accent: Accent) -> Self {
        accent.css()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rgb(input: &str) -> Rgb {
        Rgb::parse(input).unwrap()
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((Rgb::WHITE.contrast(Rgb::BLACK) - 21.0).abs() < 1e-9);
        assert!((rgb("#777777").contrast(Rgb::WHITE) - 4.478).abs() < 1e-3);
        assert!((rgb("#0000ff").contrast(Rgb::WHITE) - 8.592).abs() < 1e-3);
    }

    #[test]
    fn an_accent_can_be_read_on_white() {
        for colour in ["#0f6d64", "#0F6D64", "#000000", "#767676", "#b00020"] {
            assert_eq!(Accent::parse(colour).unwrap().css(), colour.to_lowercase());
        }
        for colour in ["#777777", "#ffff00", "#ffffff", "#5fd0c0"] {
            assert_eq!(Accent::parse(colour), Err(InvalidAccent::LowContrast), "{colour}");
        }
        for input in ["", "0f6d64", "#0f6", "#0f6d6", "#0f6d6400", "#+f6d64", "teal", "#0f6d6g", " #0f6d64", "#ééé"]
        {
            assert_eq!(Accent::parse(input), Err(InvalidAccent::NotAColour), "{input:?}");
        }
    }

    proptest! {
        #[test]
        fn every_pair_can_be_read_in_both_schemes(colour: [u8; 3]) {
            let Ok(accent) = Accent::parse(&Rgb(colour).css()) else { return Ok(()) };
            for (palette, text, backgrounds) in [
                (accent.light(), rgb("#17211f"), vec![Rgb::WHITE, LIGHT_PAGE]),
                (accent.dark(), rgb("#e7efed"), vec![DARK_CARD, DARK_PAGE]),
            ] {
                let readable = |text: Rgb, on: Rgb| text.contrast(on) >= Accent::CONTRAST;
                prop_assert!(backgrounds.iter().all(|on| readable(palette.accent, *on)));
                prop_assert!(readable(palette.accent, palette.tint) && readable(text, palette.tint));
                prop_assert!(readable(palette.on_accent, palette.accent));
                prop_assert!(readable(palette.on_accent, palette.accent_strong));
            }
        }
    }
}
