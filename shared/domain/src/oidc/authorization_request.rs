//! The authorization request (OpenID Connect Core §3.1.2.1, RFC 7636), parsed, and whether a session satisfies it.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{
    parameters::{Parameters, Repeated},
    scope::{Scope, Scopes},
};
use crate::{
    authentication_method::Method,
    ids::{ClientId, SessionId, UserId},
    language::Language,
    session::Session,
    time::{HOUR, Timestamp},
};

/// How long a user may take to sign in: to register, to wait for a message, to recover a password.
const PENDING_FOR: Duration = HOUR;

/// Clocks of containers differ a little.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

const LONGEST_STATE: usize = 1024;
const LONGEST_NONCE: usize = 512;
const LONGEST_HINT: usize = 254;

/// Why a client gets its user back without a code. `as_str` is the `error` of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum AuthorizationError {
    InvalidRequest,
    UnsupportedResponseType,
    InvalidScope,
    RequestNotSupported,
    RequestUriNotSupported,
    RegistrationNotSupported,
    /// `prompt=none`, but the user has to sign in or to take a second step.
    LoginRequired,
    /// The site can't give the level that the request demands.
    UnmetAuthenticationRequirements,
}

impl AuthorizationError {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl From<Repeated> for AuthorizationError {
    fn from(_: Repeated) -> Self {
        Self::InvalidRequest
    }
}

/// `acr`: how many steps a sign-in took.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, strum::IntoStaticStr, strum::EnumString,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum AssuranceLevel {
    Aal1,
    Aal2,
}

impl AssuranceLevel {
    pub const ALL: [Self; 2] = [Self::Aal1, Self::Aal2];

    #[must_use]
    pub fn of(amr: &[Method]) -> Self {
        if amr.contains(&Method::Mfa) { Self::Aal2 } else { Self::Aal1 }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A PKCE challenge of the method `S256`: base64url of a SHA-256 hash. `twostep_crypto::pkce` compares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeChallenge(String);

impl CodeChallenge {
    const HASH_BYTES: usize = 32;

    /// `None` unless it is the base64url form of 32 bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == Self::HASH_BYTES).then(|| Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether the user may be asked to sign in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prompt {
    /// If the session doesn't satisfy the request.
    #[default]
    IfNeeded,
    /// Never: `prompt=none`.
    None,
    /// Always: `prompt=login`.
    Login,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    pub client_id: ClientId,
    pub redirect_uri: String,
    pub scopes: Scopes,
    #[serde(default)]
    pub state: Option<String>,
    #[serde(default)]
    pub nonce: Option<String>,
    pub code_challenge: CodeChallenge,
    #[serde(default)]
    pub prompt: Prompt,
    /// The highest allowed age of the sign-in, in seconds.
    #[serde(default)]
    pub max_age: Option<u64>,
    /// The least level that is acceptable, if the client names any.
    #[serde(default)]
    pub acr: Option<AssuranceLevel>,
}

/// What a session lacks for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It belongs to another user than the one that the client expects.
    ExpectedUser,
    FreshSignIn,
    SecondStep,
}

/// A request that waits for its user to sign in. It travels sealed through the pages.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingRequest {
    pub request: AuthorizationRequest,
    /// When the client sent it.
    pub at: Timestamp,
    /// The browser's session at that time, which does not count as a new sign-in.
    #[serde(default)]
    pub session: Option<SessionId>,
    /// The user of the client's `id_token_hint`. A code is for this user only.
    #[serde(default)]
    pub user: Option<UserId>,
    /// What the client knows of the user, to fill in the sign-in page.
    #[serde(default)]
    pub login_hint: Option<String>,
    /// The language that the client prefers for the pages.
    #[serde(default)]
    pub language: Option<Language>,
}

impl AuthorizationRequest {
    /// Reads the parameters. The client and its redirect URI have been checked, so errors may go to that address.
    ///
    /// # Errors
    /// [`AuthorizationError`]
    pub fn parse(
        parameters: &Parameters,
        client_id: ClientId,
        redirect_uri: String,
    ) -> Result<Self, AuthorizationError> {
        use AuthorizationError as Error;
        if parameters.has_repeated() {
            return Err(Error::InvalidRequest);
        }
        let one = |name: &str| parameters.one(name);
        for (name, error) in [
            ("request", Error::RequestNotSupported),
            ("request_uri", Error::RequestUriNotSupported),
            ("registration", Error::RegistrationNotSupported),
        ] {
            if one(name)?.is_some() {
                return Err(error);
            }
        }
        match one("response_type")? {
            Some("code") => {}
            Some(_) => return Err(Error::UnsupportedResponseType),
            None => return Err(Error::InvalidRequest),
        }
        if one("response_mode")?.is_some_and(|mode| mode != "query") {
            return Err(Error::InvalidRequest);
        }
        let scopes = Scopes::parse(one("scope")?.unwrap_or_default());
        if !scopes.contains(Scope::Openid) {
            return Err(Error::InvalidScope);
        }
        // `plain` is the default of RFC 7636, so the method must be named.
        let challenge = one("code_challenge")?.filter(|_| one("code_challenge_method") == Ok(Some("S256")));
        let code_challenge = challenge.and_then(CodeChallenge::parse).ok_or(Error::InvalidRequest)?;
        Ok(Self {
            client_id,
            redirect_uri,
            scopes,
            state: bounded(one("state")?, LONGEST_STATE)?,
            nonce: bounded(one("nonce")?, LONGEST_NONCE)?,
            code_challenge,
            prompt: Prompt::parse(one("prompt")?)?,
            max_age: one("max_age")?.map(|age| age.parse().map_err(|_| Error::InvalidRequest)).transpose()?,
            acr: least_level(one("acr_values")?),
        })
    }

    /// What `session` lacks for this request, which was made at `at` in the session `before`.
    fn missing(&self, session: &Session, at: Timestamp, before: Option<&SessionId>) -> Option<Missing> {
        // The former session has no newer sign-in, whatever its times say.
        let must_be_new = self.prompt == Prompt::Login || self.max_age == Some(0);
        let oldest = match self.max_age {
            _ if must_be_new => Some(at.minus(CLOCK_SKEW)),
            Some(age) => Some(at.minus(Duration::from_secs(age))),
            None => None,
        };
        let is_fresh = oldest.is_none_or(|oldest| session.auth_time >= oldest)
            && !(must_be_new && before.is_some_and(|before| *before == session.id));
        if !is_fresh {
            return Some(Missing::FreshSignIn);
        }
        let has_level = self.acr.is_none_or(|least| AssuranceLevel::of(&session.amr) >= least);
        (!has_level).then_some(Missing::SecondStep)
    }
}

impl PendingRequest {
    /// A request that is made now. Hints that are too long or not understood are ignored.
    #[must_use]
    pub fn new(
        request: AuthorizationRequest,
        parameters: &Parameters,
        session: Option<SessionId>,
        at: Timestamp,
    ) -> Self {
        let one = |name: &str| parameters.one(name).ok().flatten();
        let login_hint = bounded(one("login_hint"), LONGEST_HINT).ok().flatten();
        let language = one("ui_locales").and_then(|tags| tags.split(' ').find_map(Language::of_tag));
        Self { request, at, session, user: None, login_hint, language }
    }

    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now >= self.at.plus(PENDING_FOR)
    }

    /// What `session` lacks for this request; `None` if it satisfies it.
    #[must_use]
    pub fn missing(&self, session: &Session) -> Option<Missing> {
        if self.user.as_ref().is_some_and(|user| *user != session.user_id) {
            return Some(Missing::ExpectedUser);
        }
        self.request.missing(session, self.at, self.session.as_ref())
    }
}

impl Prompt {
    fn parse(text: Option<&str>) -> Result<Self, AuthorizationError> {
        let mut prompt = Self::IfNeeded;
        let values: Vec<&str> = text.unwrap_or_default().split(' ').filter(|value| !value.is_empty()).collect();
        for value in &values {
            match *value {
                "none" if values.len() == 1 => prompt = Self::None,
                "login" | "select_account" => prompt = Self::Login,
                // Clients are the operator's own, so there is nothing to consent to.
                "consent" => {}
                _ => return Err(AuthorizationError::InvalidRequest),
            }
        }
        Ok(prompt)
    }
}

/// A text that fits a URL later. Control characters would not survive it.
fn bounded(text: Option<&str>, longest: usize) -> Result<Option<String>, AuthorizationError> {
    match text {
        Some(text) if text.len() > longest || text.chars().any(char::is_control) => {
            Err(AuthorizationError::InvalidRequest)
        }
        text => Ok(text.map(str::to_owned)),
    }
}

/// The values of `acr_values` are alternatives, so the least of them is demanded. Unknown values are ignored.
fn least_level(acr_values: Option<&str>) -> Option<AssuranceLevel> {
    acr_values?.split(' ').filter_map(|value| value.parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{account::AccountSnapshot, ids::UserId, sign_in::SignIn};

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    const AT: Timestamp = Timestamp(1_700_000_000);

    fn parse(change: &[(&str, &str)]) -> Result<AuthorizationRequest, AuthorizationError> {
        let mut pairs = vec![
            ("response_type", "code"),
            ("scope", "openid email"),
            ("state", "s t"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        pairs.retain(|(name, _)| change.iter().all(|(changed, _)| changed != name));
        pairs.extend(change);
        let parameters = Parameters::new(pairs.into_iter().map(|(name, value)| (name.into(), value.into())));
        AuthorizationRequest::parse(&parameters, ClientId::from_stored("c"), "https://shop.example/cb".into())
    }

    fn session(id: &str, sign_in: SignIn) -> Session {
        let ann =
            AccountSnapshot { user_id: UserId::from_stored("ann"), epoch: 0, has_password: true, verified_at: None };
        Session::begin(SessionId::from_stored(id), String::new(), &ann, sign_in, None)
    }

    fn missing(change: &[(&str, &str)], before: Option<&str>, session: &Session) -> Option<Missing> {
        let request = parse(change).unwrap();
        PendingRequest::new(request, &Parameters::default(), before.map(SessionId::from_stored), AT).missing(session)
    }

    #[test]
    fn a_request_is_read() {
        let request = parse(&[("max_age", "60"), ("acr_values", "aal2"), ("prompt", "login consent")]).unwrap();
        assert_eq!((request.state.as_deref(), request.nonce), (Some("s t"), None));
        assert_eq!((request.scopes.to_string().as_str(), request.max_age), ("openid email", Some(60)));
        assert_eq!((request.prompt, request.acr), (Prompt::Login, Some(AssuranceLevel::Aal2)));
        assert_eq!(parse(&[("acr_values", "urn:x aal2 aal1")]).unwrap().acr, Some(AssuranceLevel::Aal1));
        assert_eq!(parse(&[("acr_values", "urn:x")]).unwrap().acr, None);
        let stored = serde_json::to_string(&parse(&[]).unwrap()).unwrap();
        assert_eq!(serde_json::from_str::<AuthorizationRequest>(&stored).unwrap(), parse(&[]).unwrap());
    }

    #[test]
    fn pkce_cannot_be_left_out_or_weakened() {
        for wrong in [
            ("code_challenge", ""),
            ("code_challenge", "short"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"),
            ("code_challenge_method", ""),
            ("code_challenge_method", "plain"),
            ("code_challenge_method", "s256"),
        ] {
            assert_eq!(parse(&[wrong]), Err(AuthorizationError::InvalidRequest), "{wrong:?}");
        }
    }

    #[test]
    fn other_mistakes_have_their_own_errors() {
        use AuthorizationError as Error;
        let (long_state, long_nonce) = ("s".repeat(1025), "n".repeat(513));
        for (wrong, error) in [
            (("response_type", "token"), Error::UnsupportedResponseType),
            (("response_type", "code id_token"), Error::UnsupportedResponseType),
            (("response_type", ""), Error::InvalidRequest),
            (("response_mode", "fragment"), Error::InvalidRequest),
            (("scope", ""), Error::InvalidScope),
            (("scope", "email"), Error::InvalidScope),
            (("prompt", "none login"), Error::InvalidRequest),
            (("prompt", "create"), Error::InvalidRequest),
            (("max_age", "-1"), Error::InvalidRequest),
            (("max_age", "soon"), Error::InvalidRequest),
            (("state", &long_state), Error::InvalidRequest),
            (("state", "a\r\nb"), Error::InvalidRequest),
            (("nonce", &long_nonce), Error::InvalidRequest),
            (("request", "e30.e30."), Error::RequestNotSupported),
            (("request_uri", "https://evil.example"), Error::RequestUriNotSupported),
            (("registration", "{}"), Error::RegistrationNotSupported),
        ] {
            assert_eq!(parse(&[wrong]), Err(error), "{wrong:?}");
        }
        let twice = [("scope", "openid"), ("scope", "openid")];
        assert_eq!(parse(&twice), Err(Error::InvalidRequest));
    }

    #[test]
    fn a_session_satisfies_a_plain_request() {
        let old = session("old", SignIn::by_phone(Timestamp(0)));
        assert_eq!(missing(&[], Some("old"), &old), None);
        assert_eq!(missing(&[("prompt", "none")], Some("old"), &old), None);
        assert_eq!(missing(&[("acr_values", "aal1 aal2")], Some("old"), &old), None);
    }

    #[test]
    fn a_new_sign_in_is_demanded_and_the_former_session_is_none() {
        for demand in [("prompt", "login"), ("max_age", "0")] {
            let same_second = session("old", SignIn::by_phone(AT));
            assert_eq!(missing(&[demand], Some("old"), &same_second), Some(Missing::FreshSignIn), "{demand:?}");
            let earlier = session("other", SignIn::by_phone(Timestamp(AT.0 - 60)));
            assert_eq!(missing(&[demand], Some("old"), &earlier), Some(Missing::FreshSignIn), "{demand:?}");
            assert_eq!(missing(&[demand], Some("old"), &session("new", SignIn::by_phone(AT))), None, "{demand:?}");
        }
    }

    #[test]
    fn an_old_sign_in_is_too_old_for_max_age() {
        let at = |seconds: i64| session("s", SignIn::by_phone(Timestamp(AT.0 - seconds)));
        assert_eq!(missing(&[("max_age", "60")], Some("s"), &at(60)), None);
        assert_eq!(missing(&[("max_age", "60")], Some("s"), &at(61)), Some(Missing::FreshSignIn));
    }

    #[test]
    fn two_steps_are_demanded_by_level() {
        let one = session("s", SignIn::by_password(AT));
        let two = session("s", SignIn::in_two_steps(Method::Sms, AT, AT));
        assert_eq!(missing(&[("acr_values", "aal2")], Some("s"), &one), Some(Missing::SecondStep));
        assert_eq!(missing(&[("acr_values", "aal2")], Some("s"), &two), None);
    }

    #[test]
    fn a_request_waits_for_an_hour() {
        let hints = [("login_hint", "ada@example.com"), ("ui_locales", "xx-CA es-MX en")];
        let hints = Parameters::new(hints.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let pending = PendingRequest::new(parse(&[]).unwrap(), &hints, None, AT);
        assert_eq!(
            (pending.login_hint.as_deref(), pending.language),
            (Some("ada@example.com"), Some(Language::Spanish))
        );
        assert!(!pending.has_expired(Timestamp(AT.0 + 3599)));
        assert!(pending.has_expired(Timestamp(AT.0 + 3600)));
    }
}
