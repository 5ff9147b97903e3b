//! The page for mistakes that may not go back to a client, because nothing tells who the client is.

use lambda_http::http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_FRAME_OPTIONS,
};
use twostep_domain::language::Language;
use twostep_http::Answer;

#[derive(Clone, Copy, Debug)]
pub enum Mistake {
    UnknownClient,
    /// What the page brought back was not sealed here, or too long ago.
    UnknownRequest,
    UnregisteredAfterLogout,
}

const HEADERS: [(HeaderName, &str); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        // The hash is that of `STYLE`.
        "default-src 'none'; style-src 'sha256-FShZEZJs8u8BoZ2fDc3WT10U1Rwha+ATnXnhoyvmPTU='; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (STRICT_TRANSPORT_SECURITY, "max-age=63072000"),
];

const STYLE: &str = "body{font:1.0625rem/1.5 system-ui,sans-serif;margin:3rem auto;max-width:34rem;padding:0 1rem}\
                     a{color:inherit}";

/// A page with status 400. It shows nothing that the request contains.
#[must_use]
pub fn error_page(mistake: Mistake, language: Language) -> Answer {
    let ((title, text), home) = (language.mistake(mistake.name()), language.home());
    let direction = if language.is_right_to_left() { "rtl" } else { "ltr" };
    let html = format!(
        "<!doctype html>\n<html lang=\"{}\" dir=\"{direction}\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n<main>\n<h1>{title}</h1>\n<p>{text}</p>\n<p><a href=\"/\">{home}</a></p>\n</main>\n</html>\n",
        language.tag()
    );
    HEADERS.into_iter().fold(Answer::page(400, html), |answer, (name, value)| {
        answer.with_header(name, HeaderValue::from_static(value))
    })
}

impl Mistake {
    /// Its name in the files of `functions/web/texts`.
    fn name(self) -> &'static str {
        match self {
            Self::UnknownClient => "unknown_client",
            Self::UnknownRequest => "unknown_request",
            Self::UnregisteredAfterLogout => "unregistered_after_logout",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aws_lc_rs::digest::{SHA256, digest};
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    #[test]
    fn the_page_may_use_its_own_style_and_nothing_else() {
        let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        let response = error_page(Mistake::UnknownClient, Language::English).into_response();
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with(&format!("default-src 'none'; style-src 'sha256-{hash}'; ")), "{hash}");
        let page = std::str::from_utf8(response.body()).unwrap();
        assert!(page.contains(&format!("<style>{STYLE}</style>")) && !page.contains("<script"));
    }

    #[test]
    fn every_mistake_is_explained_in_every_language() {
        for mistake in [Mistake::UnknownClient, Mistake::UnknownRequest, Mistake::UnregisteredAfterLogout] {
            let pages = Language::ALL.map(|language| language.mistake(mistake.name()));
            let different: BTreeSet<_> = pages.iter().collect();
            assert!(different.len() == pages.len() && !pages.contains(&("", "")), "{mistake:?}");
        }
    }
}
