//! The cookies in which browsers keep tokens (RFC 6265bis).

use std::time::Duration;

use lambda_http::{
    Request,
    http::header::{COOKIE, HeaderValue},
};
use serde::Serialize;
use twostep_crypto::refresh_token::RefreshToken;

/// How the cookies are named and marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookies {
    /// `__Host-` and `Secure`: no other host, sub-domain or plain connection can set or read them.
    Host,
    /// For `http://localhost`, where browsers refuse both.
    Localhost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
    Refresh,
    Device,
}

/// A token that the client keeps, and how long it is valid.
#[derive(Serialize)]
#[serde(transparent)]
pub struct KeptToken {
    text: String,
    #[serde(skip)]
    pub(crate) lasts: Duration,
}

impl KeptToken {
    #[must_use]
    pub fn new(text: String, lasts: Duration) -> Self {
        Self { text, lasts }
    }

    pub(crate) fn expose(&self) -> &str {
        &self.text
    }
}

impl Cookies {
    /// The cookies of the service at `site`.
    #[must_use]
    pub fn of_site(site: &str) -> Self {
        let own = origin_of(site);
        let is_laptop =
            own.strip_prefix("http://localhost").is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
        if is_laptop { Self::Localhost } else { Self::Host }
    }

    /// The refresh token of a browser that navigates here, whatever site it comes from. Only for routes that send the
    /// browser on and give the token to no script.
    #[must_use]
    pub fn refresh_token(self, request: &Request) -> Option<RefreshToken> {
        RefreshToken::parse(self.get(request, Cookie::Refresh)?).ok()
    }

    /// The header that clears the refresh token.
    #[must_use]
    pub fn clear_refresh_token(self) -> HeaderValue {
        self.header(Cookie::Refresh, "", Duration::ZERO)
    }

    pub(super) fn get(self, request: &Request, cookie: Cookie) -> Option<&str> {
        let name = self.name(cookie);
        let headers = request.headers().get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
        let pairs = headers.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(found, _)| *found == name).map(|(_, value)| value).next()
    }

    pub(super) fn set(self, cookie: Cookie, token: &KeptToken) -> HeaderValue {
        self.header(cookie, token.expose(), token.lasts)
    }

    fn name(self, cookie: Cookie) -> &'static str {
        match (self, cookie) {
            (Self::Host, Cookie::Refresh) => "__Host-twostep-refresh",
            (Self::Host, Cookie::Device) => "__Host-twostep-device",
            (Self::Localhost, Cookie::Refresh) => "twostep-refresh",
            (Self::Localhost, Cookie::Device) => "twostep-device",
        }
    }

    fn header(self, cookie: Cookie, value: &str, lasts: Duration) -> HeaderValue {
        let (name, seconds) = (self.name(cookie), lasts.as_secs());
        let secure = if self == Self::Host { "; Secure" } else { "" };
        // A client's sign-in is a navigation from another site, which must bring the session along. No route changes
        // anything for a navigation: `Origin` is checked wherever this cookie is used up.
        let same_site = if cookie == Cookie::Refresh { "Lax" } else { "Strict" };
        let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly{secure}; SameSite={same_site}");
        let mut header = HeaderValue::try_from(text).expect("tokens are base64url and dots");
        header.set_sensitive(true);
        header
    }
}

/// Scheme, host and port of an address (RFC 6454 §6.2).
pub(super) fn origin_of(address: &str) -> &str {
    let host = address.find("://").map_or(0, |at| at + "://".len());
    let end = address[host..].find('/').map_or(address.len(), |at| host + at);
    &address[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::with_headers as with;

    #[test]
    fn a_cookie_is_found_by_its_exact_name() {
        let request = with(&[
            ("cookie", "a=1; twostep-refresh=other; x__Host-twostep-refresh=no; __Host-twostep-refresh=yes"),
            ("cookie", "__Host-twostep-device=id.secret"),
        ]);
        assert_eq!(Cookies::Host.get(&request, Cookie::Refresh), Some("yes"));
        assert_eq!(Cookies::Host.get(&request, Cookie::Device), Some("id.secret"));
        assert_eq!(Cookies::Localhost.get(&request, Cookie::Refresh), Some("other"));
        assert_eq!(Cookies::Localhost.get(&request, Cookie::Device), None);
        assert_eq!(Cookies::Host.get(&with(&[("cookie", "__Host-twostep-refresh; =; ;;")]), Cookie::Refresh), None);
    }

    #[test]
    fn cookies_are_out_of_reach_of_scripts_and_other_sites() {
        let token = KeptToken::new("abc".to_owned(), Duration::from_secs(60));
        assert_eq!(
            Cookies::Host.set(Cookie::Refresh, &token),
            "__Host-twostep-refresh=abc; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax"
        );
        assert_eq!(
            Cookies::Localhost.set(Cookie::Device, &token),
            "twostep-device=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Strict"
        );
        assert_eq!(
            Cookies::Host.clear_refresh_token(),
            "__Host-twostep-refresh=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
        );
    }
}
