//! The service without the emulator: the same code against the embedded DynamoDB and Secrets Manager, with a clock that
//! a test moves.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::config::Credentials;
use dynoxide::Database;
use lambda_http::{Body, Request};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use twostep::{
    access_token::Claims,
    challenge::{ChallengeStore, Policy},
    clock::{Clock, Timestamp},
    http::Problem,
    keys::{KeyRing, Keys},
    phone::AllowedCountries,
    service::Service,
    sessions::SessionStore,
    settings::{CachedSettings, Settings, SettingsStore},
    sms::Site,
    spending::{Spending, policy::Budgets},
    throttle::Throttle,
    users::UserStore,
};
use twostep_local::{
    aws::{dynamodb, secrets_manager},
    template::Template,
};

use crate::stack::root;

/// A clock that stands still until it is moved.
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

pub struct Bench {
    pub service: Arc<Service>,
    pub clock: Arc<TestClock>,
    pub database: Database,
    pub tables: aws_sdk_dynamodb::Client,
    pub secrets: aws_sdk_secretsmanager::Client,
    limits_lifted: bool,
}

impl Bench {
    /// # Panics
    /// When a server cannot be started.
    pub async fn start() -> Self {
        Self::with_limits(true).await
    }

    /// With the limits of a deployment.
    ///
    /// # Panics
    /// When a server cannot be started.
    pub async fn deployed() -> Self {
        Self::with_limits(false).await
    }

    async fn with_limits(lifted: bool) -> Self {
        let template = Template::read(&root().join("template.yaml").to_string_lossy()).expect("the template");
        let database = dynamodb::open(None, &template).expect("an empty database");
        let tables = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let secrets = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = |listener: &TcpListener| format!("http://{}", listener.local_addr().expect("bound"));
        let (tables_url, secrets_url) = (url(&tables), url(&secrets));
        tokio::spawn(dynoxide::server::serve_on(tables, database.clone()));
        tokio::spawn(secrets_manager::serve(secrets, None).await.expect("new secrets").server);

        let config = aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(Credentials::for_tests()))
            .build();
        let tables = aws_sdk_dynamodb::Client::from_conf(
            aws_sdk_dynamodb::config::Builder::from(&config).endpoint_url(tables_url).build(),
        );
        let secrets = aws_sdk_secretsmanager::Client::from_conf(
            aws_sdk_secretsmanager::config::Builder::from(&config).endpoint_url(secrets_url).build(),
        );
        let clock = Arc::new(TestClock(AtomicI64::new(1_800_000_000)));
        let service = Arc::new(service(&tables, &secrets, &clock, lifted));
        Self { service, clock, database, tables, secrets, limits_lifted: lifted }
    }

    /// The same bench with another instance of the service, which has caches of its own.
    #[must_use]
    pub fn another_instance(&self) -> Self {
        Self {
            service: Arc::new(service(&self.tables, &self.secrets, &self.clock, self.limits_lifted)),
            clock: Arc::clone(&self.clock),
            database: self.database.clone(),
            tables: self.tables.clone(),
            secrets: self.secrets.clone(),
            limits_lifted: self.limits_lifted,
        }
    }

    /// # Errors
    /// The service's own.
    pub async fn start_registration(&self, phone: &str) -> Result<Value, Problem> {
        self.service
            .start_registration(&Request::new(Body::Empty), &read(json!({ "phone": phone })))
            .await
            .map(|body| written(&body))
    }

    /// # Errors
    /// The service's own.
    pub async fn start_login(&self, phone: &str) -> Result<Value, Problem> {
        self.service
            .start_phone_login(&Request::new(Body::Empty), &read(json!({ "phone": phone })))
            .await
            .map(|body| written(&body))
    }

    /// Registers with a password and gives the Session.
    ///
    /// # Errors
    /// The service's own.
    pub async fn register_password(&self, email: &str, password: &str) -> Result<Value, Problem> {
        let body = read(json!({ "name": "Grace", "email": email, "password": password }));
        self.service.register_with_password(&Request::new(Body::Empty), &body).await.map(|body| written(&body))
    }

    /// # Errors
    /// The service's own.
    pub async fn log_in(&self, email: &str, password: &str, device: Option<&str>) -> Result<Value, Problem> {
        let body = read(json!({ "email": email, "password": password, "device_token": device }));
        self.service.log_in_with_password(&Request::new(Body::Empty), &body).await.map(|body| written(&body))
    }

    /// Enters what `body` says.
    ///
    /// # Errors
    /// The service's own.
    pub async fn enter(&self, challenge: &Value, body: Value) -> Result<Value, Problem> {
        let id = challenge["challenge_id"].as_str().expect("an id");
        self.service.verify(&Request::new(Body::Empty), id, &read(body)).await.map(|body| written(&body))
    }

    /// # Errors
    /// The service's own.
    pub async fn verify(&self, challenge: &Value, code: &str) -> Result<Value, Problem> {
        self.enter(challenge, json!({ "code": code })).await
    }

    /// What the message would say, read from the table with the service's own keys.
    ///
    /// # Panics
    /// When there is no such challenge.
    pub async fn code(&self, challenge: &Value) -> String {
        let id = challenge["challenge_id"].as_str().expect("an id");
        let id = twostep::challenge::ChallengeId::parse(id).expect("an id");
        let stored = self.service.challenges.load(id.key()).await.expect("DynamoDB").expect("the challenge");
        let ring = self.service.keys.get().await.expect("the keys");
        let payload: twostep::challenge::Payload =
            ring.open(stored.key.as_str(), &stored.sealed, self.clock.now()).expect("ours");
        payload.code.expose().to_owned()
    }

    /// Registers `phone` and gives the Session.
    ///
    /// # Panics
    /// When a step fails.
    pub async fn register(&self, phone: &str, email: &str) -> Value {
        let challenge = self.start_registration(phone).await.expect("a challenge");
        let verified = self.verify(&challenge, &self.code(&challenge).await).await.expect("a right code");
        self.complete(&verified, email).await.expect("a session")
    }

    /// # Errors
    /// The service's own.
    pub async fn complete(&self, verified: &Value, email: &str) -> Result<Value, Problem> {
        let body = json!({ "registration_token": verified["registration_token"], "name": "Ada", "email": email });
        self.service.complete_registration(&Request::new(Body::Empty), read(body)).await.map(|body| written(&body))
    }

    /// # Errors
    /// The service's own.
    pub async fn authenticate(&self, session: &Value) -> Result<Claims, Problem> {
        let token = session["access_token"].as_str().expect("a token");
        let request = lambda_http::http::Request::builder().header("authorization", format!("Bearer {token}"));
        self.service.authenticate(&request.body(Body::Empty).expect("a request")).await
    }

    /// # Errors
    /// The service's own.
    pub async fn start_phone_change(&self, session: &Value, phone: &str) -> Result<Value, Problem> {
        let claims = self.authenticate(session).await?;
        self.service
            .start_phone_change(&Request::new(Body::Empty), &claims, &read(json!({ "phone": phone })))
            .await
            .map(|body| written(&body))
    }

    /// # Errors
    /// The service's own.
    pub async fn refresh(&self, session: &Value) -> Result<Value, Problem> {
        let body = read(json!({ "refresh_token": session["refresh_token"] }));
        self.service.refresh(&Request::new(Body::Empty), &body).await.map(|body| written(&body))
    }
}

fn service(
    tables: &aws_sdk_dynamodb::Client,
    secrets: &aws_sdk_secretsmanager::Client,
    clock: &Arc<TestClock>,
    lifted: bool,
) -> Service {
    let shared_clock: Arc<dyn Clock> = clock.clone();
    let site = Site::new("Example", "localhost").expect("a site");
    let settings = Settings::initial(&site, AllowedCountries::All, Budgets::default());
    Service {
        policy: Policy::default(),
        keys: Keys::new(secrets.clone(), secrets_manager::KEYS.into(), clock.clone(), KeyRing::parse),
        challenges: ChallengeStore::new(tables.clone(), "codes".into()),
        users: UserStore::new(tables.clone(), "users".into()),
        sessions: SessionStore::new(tables.clone(), "sessions".into()),
        settings: CachedSettings::new(SettingsStore::new(tables.clone(), "settings".into(), settings), clock.clone()),
        throttle: Throttle::new(tables.clone(), "counters".into()),
        spending: Spending::new(tables, "counters", &shared_clock, lifted),
        limit_addresses: !lifted,
        issuer: Some("https://auth.example".into()),
        audience: "twostep".into(),
        clock: clock.clone(),
    }
}

fn read<T: serde::de::DeserializeOwned>(body: Value) -> T {
    serde_json::from_value(body).expect("a body of the contract")
}

fn written(body: &impl serde::Serialize) -> Value {
    serde_json::to_value(body).expect("a body of the contract")
}
