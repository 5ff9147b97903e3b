//! OAuth's own forms of requests, responses and errors (RFC 6749): forms in, JSON out, and errors that clients know.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use lambda_http::{
    Request,
    http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use twostep_domain::{
    ids::ClientId,
    oidc::{Parameters, parameters::Repeated},
};
use twostep_usecases::{
    Outage,
    oidc::{
        authorize::Return,
        client_authentication::{ClientAuthError, ClientCredentials},
        inspect::UserInfoError,
        issue::IssueError,
    },
};

use super::{Answer, request::LONGEST_BODY};

/// An error of RFC 6749 §5.2 or RFC 6750 §3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum OAuthError {
    InvalidRequest,
    /// `basic` if the client used HTTP Basic, and is asked to use it again.
    InvalidClient {
        basic: bool,
    },
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    InvalidToken,
    InsufficientScope,
    TooManyRequests {
        retry_after: u64,
    },
    TemporarilyUnavailable,
}

/// How long a client should wait after a failure on our side, in seconds.
const UNAVAILABLE_RETRY_AFTER: u64 = 2;

#[derive(Serialize)]
struct ErrorBody {
    error: &'static str,
    error_description: &'static str,
}

impl OAuthError {
    fn description(self) -> &'static str {
        match self {
            Self::InvalidRequest => {
                "A required parameter is missing, sent twice or malformed, or the body is not form-encoded."
            }
            Self::InvalidClient { .. } => "The client is unknown or did not authenticate with its secret.",
            Self::InvalidGrant => "The code or refresh token is invalid, expired, used, or belongs to another client.",
            Self::UnauthorizedClient => "This kind of client may not call this endpoint.",
            Self::UnsupportedGrantType => "Use authorization_code or refresh_token.",
            Self::InvalidScope => "The scope exceeds what was granted.",
            Self::InvalidToken => "The access token is invalid or expired, or its session has ended.",
            Self::InsufficientScope => "The access token lacks the scope openid.",
            Self::TooManyRequests { .. } => "Wait before you try again.",
            Self::TemporarilyUnavailable => "Nothing was changed. Try again in a moment.",
        }
    }

    #[must_use]
    pub fn into_answer(self) -> Answer {
        let body = ErrorBody { error: self.into(), error_description: self.description() };
        let status = match self {
            Self::InvalidClient { .. } | Self::InvalidToken => 401,
            Self::InsufficientScope => 403,
            Self::TooManyRequests { .. } => 429,
            Self::TemporarilyUnavailable => 503,
            _ => 400,
        };
        let answer = Answer::json(status, &body);
        let retry_after = |seconds: u64| (RETRY_AFTER, HeaderValue::from(seconds));
        let challenge = |text: &'static str| (WWW_AUTHENTICATE, HeaderValue::from_static(text));
        let header = match self {
            Self::InvalidClient { basic: true } => challenge("Basic"),
            Self::InvalidToken => challenge("Bearer error=\"invalid_token\""),
            Self::InsufficientScope => challenge("Bearer error=\"insufficient_scope\", scope=\"openid\""),
            Self::TooManyRequests { retry_after: seconds } => retry_after(seconds),
            Self::TemporarilyUnavailable => retry_after(UNAVAILABLE_RETRY_AFTER),
            _ => return answer,
        };
        answer.with_header(header.0, header.1)
    }
}

impl From<Repeated> for OAuthError {
    fn from(_: Repeated) -> Self {
        Self::InvalidRequest
    }
}

impl From<Outage> for OAuthError {
    fn from(outage: Outage) -> Self {
        tracing::error!(error = %outage, "a request could not be served");
        Self::TemporarilyUnavailable
    }
}

impl From<IssueError> for OAuthError {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::InvalidGrant => Self::InvalidGrant,
            IssueError::InvalidScope => Self::InvalidScope,
            IssueError::Outage(outage) => outage.into(),
        }
    }
}

impl From<UserInfoError> for OAuthError {
    fn from(error: UserInfoError) -> Self {
        match error {
            UserInfoError::InvalidToken => Self::InvalidToken,
            UserInfoError::InsufficientScope => Self::InsufficientScope,
            UserInfoError::Outage(outage) => outage.into(),
        }
    }
}

/// A client that could not be authenticated. `basic`: whether it used HTTP Basic.
#[must_use]
pub fn refused_client(error: ClientAuthError, basic: bool) -> OAuthError {
    match error {
        ClientAuthError::InvalidClient => OAuthError::InvalidClient { basic },
        ClientAuthError::TooManyRequests { wait } => OAuthError::TooManyRequests { retry_after: seconds(wait) },
        ClientAuthError::Outage(outage) => outage.into(),
    }
}

fn seconds(wait: Duration) -> u64 {
    wait.as_secs().max(1)
}

/// The parameters of the query.
#[must_use]
pub fn query(request: &Request) -> Parameters {
    decode(request.uri().query().unwrap_or_default().as_bytes())
}

/// The parameters of a form.
///
/// # Errors
/// [`OAuthError::InvalidRequest`] unless the body is a form of at most 16 KiB.
pub fn form(request: &Request) -> Result<Parameters, OAuthError> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let body: &[u8] = request.body();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") || body.len() > LONGEST_BODY {
        return Err(OAuthError::InvalidRequest);
    }
    let parameters = decode(body);
    if parameters.has_repeated() { Err(OAuthError::InvalidRequest) } else { Ok(parameters) }
}

fn decode(text: &[u8]) -> Parameters {
    Parameters::new(form_urlencoded::parse(text).map(|(name, value)| (name.into_owned(), value.into_owned())))
}

/// The client that a token request claims to come from (RFC 6749 §2.3.1), and whether it used HTTP Basic.
///
/// # Errors
/// [`OAuthError::InvalidRequest`] if it claims to be two; [`OAuthError::InvalidClient`] if it names itself in neither way.
pub fn client(request: &Request, form: &Parameters) -> Result<(ClientCredentials, bool), OAuthError> {
    let (id, secret) = (form.one("client_id")?, form.one("client_secret")?);
    match basic(request) {
        Some(Ok(credentials)) => {
            let is_same = id.is_none_or(|id| id == credentials.id.as_str());
            if secret.is_some() || !is_same { Err(OAuthError::InvalidRequest) } else { Ok((credentials, true)) }
        }
        Some(Err(error)) => Err(error),
        None => {
            let id = id.ok_or(OAuthError::InvalidClient { basic: false })?;
            let credentials = ClientCredentials {
                id: ClientId::from_stored(id),
                secret: secret.map(|secret| SecretString::from(secret.to_owned())),
            };
            Ok((credentials, false))
        }
    }
}

/// The client of `Authorization: Basic …`, whose two halves are form-encoded (RFC 6749 §2.3.1); `None` without the header.
#[must_use]
pub fn basic(request: &Request) -> Option<Result<ClientCredentials, OAuthError>> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().unwrap_or_default();
    let read = || {
        let (scheme, encoded) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = SecretString::from(String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?);
        let (id, secret) = pair.expose_secret().split_once(':')?;
        Some(ClientCredentials { id: ClientId::from_stored(decoded(id)), secret: Some(decoded(secret).into()) })
    };
    Some(read().ok_or(OAuthError::InvalidClient { basic: true }))
}

fn decoded(text: &str) -> String {
    let name = form_urlencoded::parse(text.as_bytes()).next();
    name.map(|(name, _)| name.into_owned()).unwrap_or_default()
}

/// The address that brings a code or an error back to the client, with `iss` (RFC 9207).
#[must_use]
pub fn return_address(returning: &Return, issuer: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    match &returning.result {
        Ok(code) => query.append_pair("code", &code.expose()),
        Err(error) => query.append_pair("error", error.as_str()),
    };
    if let Some(state) = &returning.state {
        query.append_pair("state", state);
    }
    query.append_pair("iss", issuer);
    with_query(&returning.redirect_uri, &query.finish())
}

/// `address` with `query` added to its own.
#[must_use]
pub fn with_query(address: &str, query: &str) -> String {
    let mark = if address.contains('?') { '&' } else { '?' };
    format!("{address}{mark}{query}")
}

#[cfg(test)]
mod tests {
    use lambda_http::{Body, http};
    use twostep_crypto::opaque_token::OpaqueToken;
    use twostep_domain::oidc::AuthorizationError;

    use super::*;

    fn with(headers: &[(&str, &str)], body: &str) -> Request {
        let mut request = http::Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::Text(body.to_owned())).unwrap()
    }

    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=UTF-8");

    #[test]
    fn only_a_form_without_repetitions_is_read() {
        let parameters = form(&with(&[FORM], "grant_type=authorization_code&x=a+b%26")).unwrap();
        assert_eq!(parameters.one("x"), Ok(Some("a b&")));
        assert!(form(&with(&[("content-type", "application/json")], "{}")).is_err());
        assert!(form(&with(&[], "a=b")).is_err());
        assert!(form(&with(&[FORM], "a=b&a=c")).is_err());
        assert!(form(&with(&[FORM], &"a".repeat(LONGEST_BODY + 1))).is_err());
    }

    #[test]
    fn a_client_names_itself_once() {
        // `a-b:c d`, each half form-encoded as some clients do.
        let header = format!("Basic {}", STANDARD.encode("a%2Db:c+d"));
        let authorization = ("authorization", header.as_str());
        let of = |request: &Request| client(request, &form(request).unwrap());
        let (credentials, basic) = of(&with(&[FORM, authorization], "client_id=a-b")).ok().unwrap();
        assert!(basic && credentials.id.as_str() == "a-b");
        assert_eq!(credentials.secret.unwrap().expose_secret(), "c d");
        let (credentials, basic) = of(&with(&[FORM], "client_id=x&client_secret=y")).ok().unwrap();
        assert!(!basic && credentials.id.as_str() == "x" && credentials.secret.is_some());
        assert!(of(&with(&[FORM], "client_id=x")).ok().unwrap().0.secret.is_none());

        let refused = |headers: &[(&str, &str)], body: &str| of(&with(headers, body)).err().unwrap();
        assert_eq!(refused(&[FORM, authorization], "client_id=other"), OAuthError::InvalidRequest);
        assert_eq!(refused(&[FORM, authorization], "client_secret=y"), OAuthError::InvalidRequest);
        assert_eq!(refused(&[FORM], "a=b"), OAuthError::InvalidClient { basic: false });
        for wrong in ["Basic !!!", "Basic YQ==", "Bearer abc", "Basic"] {
            let header = [FORM, ("authorization", wrong)];
            assert_eq!(refused(&header, ""), OAuthError::InvalidClient { basic: true }, "{wrong}");
        }
    }

    #[test]
    fn the_way_back_keeps_the_address_and_escapes_what_it_adds() {
        let returning = |uri: &str, result| Return {
            redirect_uri: uri.to_owned(),
            state: Some("a&b=c\u{e9} #".to_owned()),
            result,
        };
        let error = returning("https://shop.example/cb", Err(AuthorizationError::LoginRequired));
        assert_eq!(
            return_address(&error, "https://auth.example"),
            "https://shop.example/cb?error=login_required&state=a%26b%3Dc%C3%A9+%23&iss=https%3A%2F%2Fauth.example"
        );
        let code = returning("https://shop.example/cb?t=1", Ok(OpaqueToken::from_bytes([0; 32])));
        let address = return_address(&code, "https://auth.example");
        assert!(address.starts_with("https://shop.example/cb?t=1&code=AAAA"), "{address}");
    }
}
