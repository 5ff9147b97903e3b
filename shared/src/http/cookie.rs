//! Tokens in cookies: how a browser keeps what continues its session where no script can read it (RFC 6265bis).

use lambda_http::{
    Request,
    http::header::{COOKIE, HeaderValue, ORIGIN, SET_COOKIE},
};
use std::time::Duration;

use super::{Answer, Problem, SessionBody, answer::KeptToken};

/// A client says here where it wants its tokens.
const HEADER: &str = "x-session";

/// What carries the refresh token and the device token between a client and this service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// JSON, for API clients.
    Body,
    /// Cookies, for browsers.
    Cookies(Jar),
}

/// How the cookies are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jar {
    /// `__Host-` and `Secure`: no other host, sub-domain or plain connection can set or read them.
    Host,
    /// For `http://localhost`, where browsers refuse both.
    Localhost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cookie {
    Refresh,
    Device,
}

impl Carrier {
    /// What `request` asks for with `X-Session`. Cookies are sent along by browsers unasked, so they are read and set only
    /// for pages of this service's own origin; `site` is the service's address.
    ///
    /// # Errors
    /// [`Problem::InvalidRequest`] when the header says anything but `cookie`; [`Problem::ForeignOrigin`].
    pub fn of(request: &Request, site: &str) -> Result<Self, Problem> {
        let mut wishes = request.headers().get_all(HEADER).iter();
        match (wishes.next(), wishes.next()) {
            (None, _) => return Ok(Self::Body),
            (Some(wish), None) if wish == "cookie" => {}
            _ => return Err(Problem::InvalidRequest),
        }
        let own = origin_of(site);
        let given = request.headers().get(ORIGIN).and_then(|origin| origin.to_str().ok());
        if !given.is_some_and(|given| given.eq_ignore_ascii_case(own)) {
            return Err(Problem::ForeignOrigin);
        }
        let is_laptop =
            own.strip_prefix("http://localhost").is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
        Ok(Self::Cookies(if is_laptop { Jar::Localhost } else { Jar::Host }))
    }

    /// The answer that gives a session. This is the one place that decides where its tokens go.
    #[must_use]
    pub fn session(self, status: u16, mut session: SessionBody) -> Answer {
        let Self::Cookies(jar) = self else { return Answer::json(status, &session) };
        let tokens = [(Cookie::Refresh, session.refresh_token.take()), (Cookie::Device, session.device_token.take())];
        let cookies = tokens.into_iter().filter_map(|(cookie, token)| Some(jar.set(cookie, &token?)));
        cookies.fold(Answer::json(status, &session), |answer, cookie| answer.with_header(SET_COOKIE, cookie))
    }

    /// The answer to a sign-out. The device stays remembered: it was the device that was trusted, not this session.
    #[must_use]
    pub fn signed_out(self) -> Answer {
        match self {
            Self::Body => Answer::empty(),
            Self::Cookies(jar) => Answer::empty().with_header(SET_COOKIE, jar.forget_refresh_token()),
        }
    }

    /// The problem as it is told to this client: a cookie whose token is worth nothing is taken back.
    #[must_use]
    pub fn refuse(self, problem: Problem) -> Problem {
        match (self, problem) {
            (Self::Cookies(jar), Problem::InvalidRefreshToken) => Problem::InvalidRefreshCookie(jar),
            (_, problem) => problem,
        }
    }
}

impl Jar {
    #[must_use]
    pub fn refresh_token(self, request: &Request) -> Option<&str> {
        self.get(request, Cookie::Refresh)
    }

    #[must_use]
    pub fn device_token(self, request: &Request) -> Option<&str> {
        self.get(request, Cookie::Device)
    }

    /// The header that takes the refresh token back.
    pub(super) fn forget_refresh_token(self) -> HeaderValue {
        self.header(Cookie::Refresh, "", Duration::ZERO)
    }

    fn get(self, request: &Request, cookie: Cookie) -> Option<&str> {
        let name = self.name(cookie);
        let headers = request.headers().get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
        let pairs = headers.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(found, _)| *found == name).map(|(_, value)| value).next()
    }

    fn set(self, cookie: Cookie, token: &KeptToken) -> HeaderValue {
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
        let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly{secure}; SameSite=Strict");
        let mut header = HeaderValue::try_from(text).expect("tokens are base64url and dots");
        header.set_sensitive(true);
        header
    }
}

/// Scheme, host and port of an address (RFC 6454 §6.2).
fn origin_of(address: &str) -> &str {
    let host = address.find("://").map_or(0, |at| at + "://".len());
    let end = address[host..].find('/').map_or(address.len(), |at| host + at);
    &address[..end]
}

#[cfg(test)]
mod tests {
    use lambda_http::{Body, http};

    use super::*;

    const SITE: &str = "https://accounts.example.com";

    fn with(headers: &[(&str, &str)]) -> Request {
        let mut request = http::Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::Empty).unwrap()
    }

    #[test]
    fn tokens_go_into_the_body_unless_cookies_are_asked_for() {
        assert_eq!(Carrier::of(&with(&[]), SITE), Ok(Carrier::Body));
        let foreign = with(&[("origin", "https://evil.example"), ("cookie", "__Host-twostep-refresh=t")]);
        assert_eq!(Carrier::of(&foreign, SITE), Ok(Carrier::Body));
        for wrong in ["", "Cookie", "cookies", "json", "cookie, cookie"] {
            let request = with(&[("x-session", wrong), ("origin", SITE)]);
            assert_eq!(Carrier::of(&request, SITE), Err(Problem::InvalidRequest), "{wrong:?}");
        }
        let twice = with(&[("x-session", "cookie"), ("x-session", "cookie"), ("origin", SITE)]);
        assert_eq!(Carrier::of(&twice, SITE), Err(Problem::InvalidRequest));
    }

    #[test]
    fn cookies_are_for_the_site_s_own_pages() {
        let of = |site: &str, origin: &str| Carrier::of(&with(&[("x-session", "cookie"), ("origin", origin)]), site);
        let host = Ok(Carrier::Cookies(Jar::Host));
        assert_eq!(of(SITE, SITE), host);
        assert_eq!(of("https://accounts.example.com/", SITE), host);
        assert_eq!(of("https://accounts.example.com/auth", SITE), host);
        assert_eq!(of("http://localhost:9000", "http://localhost:9000"), Ok(Carrier::Cookies(Jar::Localhost)));
        assert_eq!(of("http://localhost.example", "http://localhost.example"), host, "that is no laptop");
        for foreign in [
            "",
            "null",
            "https://evil.example",
            "http://accounts.example.com",
            "https://accounts.example.com:8443",
            "https://accounts.example.com/",
            "https://accounts.example.com.evil.example",
            "https://example.com",
        ] {
            assert_eq!(of(SITE, foreign), Err(Problem::ForeignOrigin), "{foreign:?}");
        }
        assert_eq!(Carrier::of(&with(&[("x-session", "cookie")]), SITE), Err(Problem::ForeignOrigin));
    }

    #[test]
    fn a_cookie_is_found_by_its_exact_name() {
        let request = with(&[
            ("cookie", "a=1; twostep-refresh=other; x__Host-twostep-refresh=no; __Host-twostep-refresh=yes"),
            ("cookie", "__Host-twostep-device=id.secret"),
        ]);
        assert_eq!(Jar::Host.refresh_token(&request), Some("yes"));
        assert_eq!(Jar::Host.device_token(&request), Some("id.secret"));
        assert_eq!(Jar::Localhost.refresh_token(&request), Some("other"));
        assert_eq!(Jar::Localhost.device_token(&request), None);
        assert_eq!(Jar::Host.refresh_token(&with(&[("cookie", "__Host-twostep-refresh; =; ;;")])), None);
    }

    #[test]
    fn cookies_are_marked_so_that_no_script_and_no_other_site_gets_at_them() {
        let token = KeptToken::new("abc".to_owned(), Duration::from_secs(60));
        assert_eq!(
            Jar::Host.set(Cookie::Refresh, &token),
            "__Host-twostep-refresh=abc; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Strict"
        );
        assert_eq!(
            Jar::Localhost.set(Cookie::Device, &token),
            "twostep-device=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Strict"
        );
        assert_eq!(
            Jar::Host.forget_refresh_token(),
            "__Host-twostep-refresh=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict"
        );
    }
}
