//! What the API's functions do, one file for each thing a person wants: get a code ([`start`]), use it ([`verify`]),
//! have it again ([`codes`]), own an account ([`account`]), sign in with a password ([`password`]), do without the code
//! ([`factors`]), stay signed in ([`session`]). A site checks tokens ([`discovery`]), its pages ask what it is ([`site`]), and
//! its admin sets what holds ([`admin`]).

pub mod account;
pub mod admin;
pub mod codes;
pub mod discovery;
pub mod factors;
pub mod password;
pub mod session;
pub mod site;
pub mod start;
pub mod verify;

use std::sync::Arc;

use lambda_http::Request;

use crate::{
    access_token::Issuer,
    aws,
    challenge::{Challenge, ChallengeStore, Payload, Policy},
    clock::{Clock, SystemClock, Timestamp},
    config::{self, ConfigError},
    http::{self, Carrier, ChallengeBody, KeptToken, Problem, SessionBody},
    keys::{KeyRing, Keys},
    sessions::{RefreshToken, Session, SessionStore},
    settings::CachedSettings,
    spending::Spending,
    telemetry,
    throttle::Throttle,
    users::{User, UserStore},
};

/// Everything an API function needs. A function may only reach what its policy in `template.yaml` lets it.
pub struct Service {
    pub clock: Arc<dyn Clock>,
    pub policy: Policy,
    pub keys: Keys,
    pub challenges: ChallengeStore,
    pub users: UserStore,
    pub sessions: SessionStore,
    pub settings: CachedSettings,
    pub throttle: Throttle,
    pub spending: Spending,
    /// Whether anything is counted by address: a laptop has one for everybody.
    pub limit_addresses: bool,
    pub issuer: Option<String>,
    pub audience: String,
}

impl Service {
    /// Reads the environment, starts logging and connects. It lives as long as the process.
    ///
    /// # Errors
    /// [`ConfigError`], naming the variable that is missing or malformed.
    pub async fn init() -> Result<&'static Self, ConfigError> {
        telemetry::init(config::log_level()?);
        let aws = aws::sdk_config().await;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let tables = aws_sdk_dynamodb::Client::new(&aws);
        let secrets = aws_sdk_secretsmanager::Client::new(&aws);
        let service = Self {
            policy: Policy::default(),
            keys: Keys::new(secrets, config::required("KEYS_SECRET")?, Arc::clone(&clock), KeyRing::parse),
            challenges: ChallengeStore::new(tables.clone(), config::required("CODES_TABLE")?),
            users: UserStore::new(tables.clone(), config::required("USERS_TABLE")?),
            sessions: SessionStore::new(tables.clone(), config::required("SESSIONS_TABLE")?),
            settings: config::settings(&tables, &clock)?,
            throttle: Throttle::new(tables.clone(), config::required("COUNTERS_TABLE")?),
            spending: config::spending(&tables, &clock)?,
            limit_addresses: config::addresses_are_limited()?,
            issuer: config::issuer()?,
            audience: config::optional("AUDIENCE")?.unwrap_or_else(|| "twostep".to_owned()),
            clock,
        };
        // The first request finds the keys read and the connection to DynamoDB open. If either is away now, that
        // request tries again and answers 503.
        let (keys, ()) = tokio::join!(service.keys.get(), service.challenges.open_connection());
        if let Err(error) = keys {
            tracing::error!(%error, "the keys could not be read at start");
        }
        Ok(Box::leak(Box::new(service)))
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Who makes tokens: the configured address, else the gateway's own name.
    fn issuer(&self, request: &Request) -> Issuer {
        let issuer = self.issuer.clone().unwrap_or_else(|| {
            let name = http::domain_name(request).unwrap_or("localhost");
            format!("https://{name}")
        });
        Issuer { issuer, audience: self.audience.clone() }
    }

    /// Where the caller wants its tokens. Asked before anything is done: a session cannot be given back.
    ///
    /// # Errors
    /// [`Problem::InvalidRequest`], [`Problem::ForeignOrigin`].
    pub fn carrier(&self, request: &Request) -> Result<Carrier, Problem> {
        Carrier::of(request, &self.issuer(request).issuer)
    }

    fn challenge_body(&self, ring: &KeyRing, challenge: &Challenge, payload: &Payload) -> ChallengeBody {
        ChallengeBody::new(challenge, payload, &ring.pepper, &self.policy, self.now())
    }

    fn session_body(
        &self,
        request: &Request,
        ring: &KeyRing,
        session: &Session,
        token: &RefreshToken,
        user: User,
    ) -> SessionBody {
        let rng = &mut crate::entropy::system();
        let access_token = self.issuer(request).issue(ring, session, self.now(), rng);
        let refresh_token = KeptToken::new(token.expose(), session.rest(self.now()));
        SessionBody::new(access_token, refresh_token, user)
    }

    fn refuse(&self, refusal: crate::challenge::Refusal) -> Problem {
        Problem::from_refusal(refusal, self.now())
    }
}
