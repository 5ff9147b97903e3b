//! Pages with the site's settings in them: its name, and which ways to sign in it offers. A page needs no request for them, so its form
//! can be used as soon as it is there.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Mutex},
};

use lambda_http::http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT_LANGUAGE, CONTENT_LANGUAGE, COOKIE, VARY},
};
use twostep_domain::{
    language::Language,
    settings::Settings,
    theme::{Links, Theme},
};
use twostep_http::{Answer, bodies::site::SiteBody};

use crate::{
    encoding::Encoding,
    files::{Page, Template, revalidated},
    header::text,
    look::Look,
    security::Sources,
};

const HTML: &str = "text/html; charset=utf-8";

/// What a page says about the site.
pub struct SiteData {
    /// As in `GET /v1/site`; empty if the settings could not be read.
    json: String,
    name: String,
    host: String,
    phone_enabled: bool,
    look: Look,
}

impl SiteData {
    pub fn of(settings: &Settings, email_enabled: bool) -> Self {
        let json = serde_json::to_string(&SiteBody::new(settings, email_enabled)).expect("a struct with named fields");
        Self {
            json,
            name: settings.site_name.clone(),
            host: settings.site_host.clone(),
            phone_enabled: settings.can_send_codes(),
            look: Look::new(&settings.theme, &settings.links),
        }
    }

    /// The page offers every way to sign in, and the API refuses those that are off.
    pub fn unknown() -> Self {
        let look = Look::new(&Theme::default(), &Links::default());
        Self { json: String::new(), name: String::new(), host: String::new(), phone_enabled: true, look }
    }

    /// What a page may load and apply besides its own files.
    pub fn sources(&self) -> &Sources {
        &self.look.sources
    }

    /// A hash of 64 bits, the same in every instance of a version.
    fn tag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        (&self.json, self.phone_enabled).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// Fills the places that the templates leave for the site's settings.
    fn fill(&self, template: &Template) -> String {
        let name = escaped(&self.name);
        let logo = self.look.logo.as_ref().map(|logo| escaped(logo.as_str()));
        let mut html = template.html.to_owned();
        for (place, value) in [
            ("⟪site⟫", escaped(&self.json)),
            ("⟪host⟫", escaped(&self.host)),
            ("⟪phone⟫", if self.phone_enabled { "on" } else { "off" }.to_owned()),
            ("⟪title-suffix⟫", if name.is_empty() { String::new() } else { format!(" · {name}") }),
            ("⟪theme⟫", self.look.style_element()),
            ("⟪logo⟫", if logo.is_some() { "on" } else { "off" }.to_owned()),
            ("⟪logo-text⟫", if logo.is_some() { name.clone() } else { String::new() }),
        ] {
            html = html.replace(place, &value);
        }
        let html = fill_each(&html, "⟪name|", |words| if name.is_empty() { words.to_owned() } else { name.clone() });
        let html = fill_each(&html, "⟪icon|", |own| logo.clone().unwrap_or_else(|| own.to_owned()));
        fill_each(&html, "⟪link|", |link| {
            let (kind, words) = link.split_once('|').unwrap_or_default();
            let Some(url) = self.look.link(kind) else { return String::new() };
            format!(r#"<a href="{}">{words}</a>"#, escaped(url.as_str()))
        })
    }
}

/// Fills each place `⟪kind|words⟫`, where `start` is `⟪kind|`, with what `value` makes of the words.
fn fill_each(html: &str, start: &str, value: impl Fn(&str) -> String) -> String {
    let mut parts = html.split(start);
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (words, rest) = part.split_once('⟫').unwrap_or_default();
        filled.push_str(&value(words));
        filled.push_str(rest);
    }
    filled
}

/// For text and for attributes in double quotes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// Keeps what pages say about the site until the settings are read anew.
#[derive(Default)]
pub struct KnownSite(Mutex<Option<(Arc<Settings>, Arc<SiteData>)>>);

impl KnownSite {
    pub fn of(&self, settings: &Arc<Settings>, email_enabled: bool) -> Arc<SiteData> {
        let mut known = self.0.lock().expect("no panic while it is locked");
        match &*known {
            Some((of, data)) if Arc::ptr_eq(of, settings) => Arc::clone(data),
            _ => {
                let data = Arc::new(SiteData::of(settings, email_enabled));
                *known = Some((Arc::clone(settings), Arc::clone(&data)));
                data
            }
        }
    }
}

/// Keeps the finished pages until the settings change.
#[derive(Default)]
pub struct LivePages(Mutex<Finished>);

#[derive(Default)]
struct Finished {
    site_tag: String,
    pages: HashMap<(&'static str, Encoding), Vec<u8>>,
}

impl LivePages {
    pub fn answer(&self, page: &'static Page, headers: &HeaderMap, query: &str, site: &SiteData) -> Answer {
        let language = language(headers, query);
        let template = page.languages.get(language as usize).unwrap_or(&page.languages[0]);
        let encoding = Encoding::best(headers);
        let site_tag = site.tag();
        let tag = encoding.entity_tag(&format!("{}-{site_tag}", template.tag));
        revalidated(headers, &tag, || {
            encoding.label(Answer::file(HTML, self.finished(template, encoding, site, site_tag)))
        })
        .with_header(CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()))
        .with_header(VARY, HeaderValue::from_static("Accept-Encoding, Accept-Language, Cookie"))
    }

    fn finished(&self, template: &'static Template, encoding: Encoding, site: &SiteData, site_tag: String) -> Vec<u8> {
        let mut finished = self.0.lock().expect("no panic while it is locked");
        if finished.site_tag != site_tag {
            *finished = Finished { site_tag, pages: HashMap::new() };
        }
        let page = finished.pages.entry((template.tag, encoding));
        page.or_insert_with(|| encoding.encode(site.fill(template).as_bytes())).clone()
    }
}

/// The language of the cookie `lang`, which the page's language switch sets, or of the parameter `lang`, which a client's
/// sign-in sets, or else of `Accept-Language`.
fn language(headers: &HeaderMap, query: &str) -> Language {
    let cookies = text(headers, &COOKIE).split(';').map(str::trim);
    let chosen = cookies.filter_map(|cookie| cookie.strip_prefix("lang=")).find_map(Language::of_tag);
    let asked = || query.split('&').filter_map(|pair| pair.strip_prefix("lang=")).find_map(Language::of_tag);
    chosen.or_else(asked).unwrap_or_else(|| Language::preferred(text(headers, &ACCEPT_LANGUAGE)))
}
