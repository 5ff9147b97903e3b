//! Serves the embedded pages and assets, in the language and encoding that the browser accepts.

use lambda_http::{
    RequestExt,
    http::{
        HeaderMap, HeaderValue,
        header::{
            ACCEPT_ENCODING, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_LANGUAGE, COOKIE, ETAG, HeaderName,
            IF_NONE_MATCH, VARY,
        },
    },
};
use twostep_domain::language::Language;
use twostep_http::{Answer, Problem, Request};

include!(concat!(env!("OUT_DIR"), "/site.rs"));

pub struct Page {
    path: &'static str,
    content_type: &'static str,
    /// One per [`Language::ALL`], or a single one for all languages.
    languages: &'static [Content],
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Plain,
    Brotli,
    Gzip,
}

/// # Errors
/// [`Problem::NotFound`].
pub fn find(request: &Request) -> Result<Answer, Problem> {
    let path = request.raw_http_path();
    if let Some(name) = path.strip_prefix("/assets/") {
        let asset = ASSETS.iter().find(|asset| asset.name == name).ok_or(Problem::NotFound)?;
        return Ok(asset.answer(request.headers()));
    }
    let page = PAGES.iter().find(|page| page.path == path).ok_or(Problem::NotFound)?;
    Ok(page.answer(request.headers()))
}

impl Asset {
    fn answer(&self, headers: &HeaderMap) -> Answer {
        self.content
            .answer(Encoding::best(headers), self.content_type)
            .with_header(VARY, HeaderValue::from_static("Accept-Encoding"))
            .cacheable("public, max-age=31536000, immutable")
    }
}

impl Page {
    /// Browsers revalidate pages each time, so that a new version shows at once. An unchanged page is a 304.
    fn answer(&self, headers: &HeaderMap) -> Answer {
        let language = language(headers);
        let content = self.languages.get(language as usize).unwrap_or(&self.languages[0]);
        let encoding = Encoding::best(headers);
        let tag = content.entity_tag(encoding);
        let known = text(headers, &IF_NONE_MATCH).split(',').any(|known| {
            let known = known.trim();
            known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
        });
        let mut answer = if known { Answer::not_modified() } else { content.answer(encoding, self.content_type) };
        if self.languages.len() > 1 {
            answer = answer.with_header(CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
        }
        answer
            .with_header(ETAG, HeaderValue::from_str(&tag).expect("quotes, hexadecimal digits and a hyphen"))
            .with_header(VARY, HeaderValue::from_static("Accept-Encoding, Accept-Language, Cookie"))
            .cacheable("no-cache")
    }
}

impl Content {
    fn answer(&self, encoding: Encoding, content_type: &'static str) -> Answer {
        let (bytes, name) = match encoding {
            Encoding::Plain => return Answer::file(content_type, self.plain),
            Encoding::Brotli => (self.brotli, "br"),
            Encoding::Gzip => (self.gzip, "gzip"),
        };
        Answer::file(content_type, bytes).with_header(CONTENT_ENCODING, HeaderValue::from_static(name))
    }

    /// Different for each encoding, because a strong entity tag identifies the exact bytes (RFC 9110 §8.8.3).
    fn entity_tag(&self, encoding: Encoding) -> String {
        let suffix = match encoding {
            Encoding::Plain => "",
            Encoding::Brotli => "-br",
            Encoding::Gzip => "-gz",
        };
        format!("\"{}{suffix}\"", self.tag)
    }
}

impl Encoding {
    /// The smallest encoding that `Accept-Encoding` (RFC 9110 §12.5.3) allows.
    fn best(headers: &HeaderMap) -> Self {
        let accepted = text(headers, &ACCEPT_ENCODING);
        let accepts = |name: &str| {
            let mut codings = accepted.split(',').map(|coding| coding.split(';').map(str::trim));
            codings.any(|mut coding| {
                coding.next().is_some_and(|coding| coding.eq_ignore_ascii_case(name))
                    && !coding.filter_map(|part| part.strip_prefix("q=")).any(|q| q.parse() == Ok(0.0))
            })
        };
        if accepts("br") {
            Self::Brotli
        } else if accepts("gzip") {
            Self::Gzip
        } else {
            Self::Plain
        }
    }
}

/// The language of the cookie `lang`, which the page's language switch sets, or else of `Accept-Language`.
fn language(headers: &HeaderMap) -> Language {
    let cookies = text(headers, &COOKIE).split(';').map(str::trim);
    let chosen = cookies.filter_map(|cookie| cookie.strip_prefix("lang=")).find_map(Language::of_tag);
    chosen.unwrap_or_else(|| Language::preferred(text(headers, &ACCEPT_LANGUAGE)))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
