//! A site's own look on the pages: logo, colours, corners and links.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use twostep_domain::{
    theme::{Links, Palette, Radius, Theme},
    web_address::HttpsUrl,
};

use crate::security::Sources;

pub struct Look {
    pub logo: Option<HttpsUrl>,
    pub sources: Sources,
    links: Links,
    /// Sets the variables of `style.css`.
    style: String,
}

impl Look {
    pub fn new(theme: &Theme, links: &Links) -> Self {
        let style = style(theme);
        let sources = Sources {
            image_origin: theme.logo.as_ref().map(|logo| logo.origin().to_owned()),
            style_hash: (!style.is_empty()).then(|| STANDARD.encode(digest(&SHA256, style.as_bytes()))),
        };
        Self { logo: theme.logo.clone(), sources, links: links.clone(), style }
    }

    pub fn style_element(&self) -> String {
        if self.style.is_empty() { String::new() } else { format!("<style>{}</style>", self.style) }
    }

    pub fn link(&self, kind: &str) -> Option<&HttpsUrl> {
        match kind {
            "terms" => self.links.terms.as_ref(),
            "privacy" => self.links.privacy.as_ref(),
            "help" => self.links.help.as_ref(),
            _ => None,
        }
    }
}

fn style(theme: &Theme) -> String {
    let mut style = String::new();
    if let Some(accent) = theme.accent {
        let (light, dark) = (colours(&accent.light()), colours(&accent.dark()));
        let _ = write!(style, ":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}");
    }
    if let Some(radius) = theme.radius {
        let _ = write!(style, ":root{{{}}}", corners(radius));
    }
    style
}

fn colours(palette: &Palette) -> String {
    format!(
        "--accent:{};--accent-strong:{};--on-accent:{};--tint:{}",
        palette.accent.css(),
        palette.accent_strong.css(),
        palette.on_accent.css(),
        palette.tint.css()
    )
}

fn corners(radius: Radius) -> String {
    let pixels: &str = radius.into();
    format!("--radius:{pixels}px;--radius-card:{pixels}px;--radius-small:{pixels}px")
}
