//! The embedded pages, assets and other files.

use lambda_http::{
    RequestExt,
    http::{
        HeaderMap, HeaderValue,
        header::{ETAG, IF_NONE_MATCH, VARY},
    },
};
use twostep_http::{Answer, Problem, Request};

use crate::{encoding::Encoding, header::text};

include!(concat!(env!("OUT_DIR"), "/site.rs"));

pub struct Page {
    pub path: &'static str,
    /// One per [`twostep_domain::language::Language::ALL`].
    pub languages: &'static [Template],
}

/// A page in one language. What the site's settings say is missing: see [`crate::live_pages`].
pub struct Template {
    /// A hash of the content.
    pub tag: &'static str,
    pub html: &'static str,
}

/// A file under its own name, the same for every visitor.
pub struct File {
    path: &'static str,
    content_type: &'static str,
    content: Content,
}

pub struct Asset {
    /// Contains a hash of the content.
    name: &'static str,
    content_type: &'static str,
    content: Content,
}

pub struct Content {
    /// A hash of the content.
    tag: &'static str,
    plain: &'static [u8],
    brotli: &'static [u8],
    gzip: &'static [u8],
}

pub fn page_at(request: &Request) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.path == request.raw_http_path())
}

/// The page for a path that nothing has.
pub fn missing() -> &'static Page {
    PAGES.iter().find(|page| page.path == "/404").expect("the page is embedded")
}

/// # Errors
/// [`Problem::NotFound`].
pub fn find(request: &Request) -> Result<Answer, Problem> {
    let path = request.raw_http_path();
    if let Some(name) = path.strip_prefix("/assets/") {
        let asset = ASSETS.iter().find(|asset| asset.name == name).ok_or(Problem::NotFound)?;
        return Ok(asset.answer(request.headers()));
    }
    let file = FILES.iter().find(|file| file.path == path).ok_or(Problem::NotFound)?;
    Ok(file.answer(request.headers()))
}

impl Asset {
    fn answer(&self, headers: &HeaderMap) -> Answer {
        self.content
            .answer(Encoding::best(headers), self.content_type)
            .with_header(VARY, HeaderValue::from_static("Accept-Encoding"))
            .cacheable("public, max-age=31536000, immutable")
    }
}

impl File {
    fn answer(&self, headers: &HeaderMap) -> Answer {
        let encoding = Encoding::best(headers);
        let answer = || self.content.answer(encoding, self.content_type);
        revalidated(headers, &encoding.entity_tag(self.content.tag), answer)
            .with_header(VARY, HeaderValue::from_static("Accept-Encoding"))
    }
}

impl Content {
    fn answer(&self, encoding: Encoding, content_type: &'static str) -> Answer {
        let bytes = match encoding {
            Encoding::Plain => self.plain,
            Encoding::Brotli => self.brotli,
            Encoding::Gzip => self.gzip,
        };
        encoding.label(Answer::file(content_type, bytes))
    }
}

/// An answer that browsers revalidate each time, so that a new version shows at once. An unchanged one is a 304.
pub fn revalidated(headers: &HeaderMap, tag: &str, answer: impl FnOnce() -> Answer) -> Answer {
    let known = text(headers, &IF_NONE_MATCH).split(',').any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
    });
    let answer = if known { Answer::not_modified() } else { answer() };
    answer
        .with_header(ETAG, HeaderValue::from_str(tag).expect("quotes, hexadecimal digits and hyphens"))
        .cacheable("no-cache")
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
