//! Token transport: how refresh and device tokens travel between a client and this service. API clients get JSON, browsers
//! get cookies that no script can read.

use lambda_http::{
    Request,
    http::header::{ORIGIN, SET_COOKIE},
};
use secrecy::SecretString;
use serde::Deserialize;
use twostep_crypto::{device_token::DeviceToken, refresh_token::RefreshToken};

use super::{
    Answer, Cookies, Problem,
    bodies::SessionBody,
    cookies::{Cookie, KeptToken, origin_of},
    request,
};

/// The header with which a client chooses cookies.
const HEADER: &str = "x-session";

/// How the refresh token and the device token travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenTransport {
    /// JSON, for API clients.
    Body,
    /// Cookies, for browsers.
    Cookies(Cookies),
}

impl TokenTransport {
    /// What `request` chooses with `X-Session`. Browsers send cookies along unasked, so cookies are read and set only for
    /// pages of this service's own origin; `site` is the service's address.
    ///
    /// # Errors
    /// [`Problem::InvalidRequest`] if the header is anything but `cookie`; [`Problem::ForeignOrigin`]
    pub fn of(request: &Request, site: &str) -> Result<Self, Problem> {
        let mut chosen = request.headers().get_all(HEADER).iter();
        match (chosen.next(), chosen.next()) {
            (None, _) => return Ok(Self::Body),
            (Some(value), None) if value == "cookie" => {}
            _ => return Err(Problem::InvalidRequest),
        }
        let own = origin_of(site);
        let given = request.headers().get(ORIGIN).and_then(|origin| origin.to_str().ok());
        if !given.is_some_and(|given| given.eq_ignore_ascii_case(own)) {
            return Err(Problem::ForeignOrigin);
        }
        Ok(Self::Cookies(Cookies::of_site(site)))
    }

    /// The response to `request` with a session. This is the only place that decides where its tokens go. A browser can be
    /// remembered by several accounts, so a new device token joins the ones that it has.
    #[must_use]
    pub fn session(self, request: &Request, status: u16, mut session: SessionBody) -> Answer {
        let Self::Cookies(cookies) = self else { return Answer::json(status, &session) };
        let device = session.device_token.take().map(|token| {
            let kept = cookies.get(request, Cookie::Device).unwrap_or_default();
            KeptToken::new(with_device(token.expose(), kept), token.lasts)
        });
        let tokens = [(Cookie::Refresh, session.refresh_token.take()), (Cookie::Device, device)];
        let headers = tokens.into_iter().filter_map(|(cookie, token)| Some(cookies.set(cookie, &token?)));
        headers.fold(Answer::json(status, &session), |answer, cookie| answer.with_header(SET_COOKIE, cookie))
    }

    /// The response to a sign-out. The device stays remembered: the device is trusted, not this session.
    #[must_use]
    pub fn signed_out(self) -> Answer {
        match self {
            Self::Body => Answer::empty(),
            Self::Cookies(cookies) => Answer::empty().with_header(SET_COOKIE, cookies.clear_refresh_token()),
        }
    }

    /// The problem as this client gets it: a cookie whose token is no longer valid is cleared.
    #[must_use]
    pub fn refuse(self, problem: Problem) -> Problem {
        match (self, problem) {
            (Self::Cookies(cookies), Problem::InvalidRefreshToken) => Problem::InvalidRefreshCookie(cookies),
            (_, problem) => problem,
        }
    }

    /// The refresh token of a request; `None` if it does not have the form of one, or if its cookie is missing.
    ///
    /// # Errors
    /// [`Problem::InvalidRequest`]
    pub fn refresh_token(self, request: &Request) -> Result<Option<RefreshToken>, Problem> {
        let text = match self {
            Self::Body => request::body::<RefreshBody>(request)?.refresh_token,
            Self::Cookies(cookies) => {
                request::no_body(request)?;
                cookies.get(request, Cookie::Refresh).unwrap_or_default().to_owned()
            }
        };
        Ok(RefreshToken::parse(&text).ok())
    }

    /// The device tokens of a request whose body has `in_body`, without what does not have the form of one.
    ///
    /// # Errors
    /// [`Problem::InvalidRequest`] if a client that keeps its tokens in cookies sends one in the body.
    pub fn device_tokens(self, request: &Request, in_body: Option<&SecretString>) -> Result<Vec<DeviceToken>, Problem> {
        match self {
            Self::Body => Ok(in_body.and_then(DeviceToken::parse).into_iter().collect()),
            Self::Cookies(_) if in_body.is_some() => Err(Problem::InvalidRequest),
            Self::Cookies(cookies) => {
                let tokens = cookies.get(request, Cookie::Device).unwrap_or_default().split(BETWEEN_DEVICES);
                Ok(tokens.take(MOST_DEVICES).filter_map(|token| DeviceToken::parse(&token.to_owned().into())).collect())
            }
        }
    }
}

/// Separates the tokens in the device cookie. No token has it.
const BETWEEN_DEVICES: char = '~';

/// How many accounts one browser is remembered by: the cookie stays below a kilobyte.
const MOST_DEVICES: usize = 10;

/// The device cookie after `new` has joined those in `kept`, newest first.
fn with_device(new: &str, kept: &str) -> String {
    let kept = kept.split(BETWEEN_DEVICES).filter(|token| DeviceToken::parse(&(*token).to_owned().into()).is_some());
    std::iter::once(new).chain(kept.take(MOST_DEVICES - 1)).collect::<Vec<_>>().join("~")
}

/// The body of refresh and sign-out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefreshBody {
    refresh_token: String,
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::request::with_headers as with;

    const SITE: &str = "https://accounts.example.com";

    #[test]
    fn tokens_go_into_the_body_unless_the_client_chooses_cookies() {
        assert_eq!(TokenTransport::of(&with(&[]), SITE), Ok(TokenTransport::Body));
        let foreign = with(&[("origin", "https://evil.example"), ("cookie", "__Host-twostep-refresh=t")]);
        assert_eq!(TokenTransport::of(&foreign, SITE), Ok(TokenTransport::Body));
        for wrong in ["", "Cookie", "cookies", "json", "cookie, cookie"] {
            let request = with(&[("x-session", wrong), ("origin", SITE)]);
            assert_eq!(TokenTransport::of(&request, SITE), Err(Problem::InvalidRequest), "{wrong:?}");
        }
        let twice = with(&[("x-session", "cookie"), ("x-session", "cookie"), ("origin", SITE)]);
        assert_eq!(TokenTransport::of(&twice, SITE), Err(Problem::InvalidRequest));
    }

    #[test]
    fn a_browser_is_remembered_by_several_accounts() {
        let token = |seed: u64| DeviceToken::random(&mut StdRng::seed_from_u64(seed)).expose();
        let mut cookie = String::new();
        for seed in 0..12 {
            cookie = with_device(&token(seed), &cookie);
        }
        let request = with(&[("cookie", &format!("__Host-twostep-device={cookie}"))]);
        let read = TokenTransport::Cookies(Cookies::Host).device_tokens(&request, None).unwrap();
        let read: Vec<String> = read.iter().map(DeviceToken::expose).collect();
        assert_eq!(read, (2..12).rev().map(token).collect::<Vec<_>>(), "the newest ten");
        assert!(cookie.len() < 1_000, "{}", cookie.len());
        assert_eq!(with_device(&token(1), "noise~"), token(1));
    }

    #[test]
    fn cookies_are_for_the_site_s_own_pages() {
        let of =
            |site: &str, origin: &str| TokenTransport::of(&with(&[("x-session", "cookie"), ("origin", origin)]), site);
        let host = Ok(TokenTransport::Cookies(Cookies::Host));
        assert_eq!(of(SITE, SITE), host);
        assert_eq!(of("https://accounts.example.com/", SITE), host);
        assert_eq!(of("https://accounts.example.com/auth", SITE), host);
        assert_eq!(
            of("http://localhost:9000", "http://localhost:9000"),
            Ok(TokenTransport::Cookies(Cookies::Localhost))
        );
        assert_eq!(of("http://localhost.example", "http://localhost.example"), host, "not a laptop");
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
        assert_eq!(TokenTransport::of(&with(&[("x-session", "cookie")]), SITE), Err(Problem::ForeignOrigin));
    }
}
