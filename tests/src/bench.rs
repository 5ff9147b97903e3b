//! The use cases without the running stack: the same code against the embedded DynamoDB and Secrets Manager, with a clock that
//! a test moves.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::config::Credentials;
use dynoxide::Database;
use lambda_http::{
    Body, Request,
    http::header::{CONTENT_TYPE, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use twostep_crypto::{
    KeyRing,
    access_token::{Claims, Issuer},
    challenge_id::ChallengeId,
    refresh_token::RefreshToken,
};
use twostep_domain::{
    account::Operator,
    challenge::{Challenge, Delivery, DeliveryFailure, Payload},
    one_time_code::OneTimeCode,
    settings::Settings,
    time::{Clock, Timestamp},
};
use twostep_http::{
    Problem, TokenTransport,
    bodies::{
        ChallengeBody, EmailBody, PhoneBody, SessionBody, UserBody,
        profile::{AccountChangedBody, DetailsBody},
        registration::{CompleteBody, PasswordRegistrationBody},
        reset::{Forgot, ForgotBody, ResetBody},
        sign_in::{self, ConfirmBody},
        verify::{VerifyBody, verified},
    },
    caller,
};
use twostep_local::{
    aws::{dynamodb, secrets_manager},
    template::Template,
};
use twostep_runtime::{
    config::Environment,
    secrets::{Keys, Secrets},
};
use twostep_stores::{CachedSettings, ChallengeStore, Tables};
use twostep_usecases::{
    Caller, Repeatable,
    access::Access,
    admin::{ManageUsers, Operators, Permission},
    codes::{CountUsedCodes, ResendCode, VerifyCode},
    messages::{MessageIntent, ReserveError, Spending},
    profile::{ChangeDetails, ChangeEmail, ChangePassword, ChangePhone},
    registration::{CompleteRegistration, RegisterByPassword, StartRegistration},
    reset::{ResetPassword, StartReset},
    session::KeepSession,
    sign_in::{ConfirmSignIn, SignInByPassword, StartPhoneSignIn, by_password::PasswordAccepted},
};

use crate::{paths::root, totp};

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

/// One process of every function, as far as tests need them.
pub struct UseCases {
    pub registration: StartRegistration,
    pub completion: CompleteRegistration,
    pub password_registration: RegisterByPassword,
    pub phone_sign_in: StartPhoneSignIn,
    pub password_sign_in: SignInByPassword,
    pub codes: VerifyCode,
    pub resend: ResendCode,
    pub sessions: KeepSession,
    pub phone: ChangePhone,
    pub email: ChangeEmail,
    pub details: ChangeDetails,
    pub password: ChangePassword,
    pub reset_start: StartReset,
    pub reset: ResetPassword,
    pub confirmation: ConfirmSignIn,
    pub used_codes: CountUsedCodes,
    pub spending: Spending,
    pub operators: Operators,
    pub users: ManageUsers,
    pub challenges: ChallengeStore,
    pub settings: Arc<CachedSettings>,
    pub keys: Arc<Keys>,
}

impl UseCases {
    fn open(tables: &Tables, secrets: &Secrets) -> Self {
        const COMPLETE: &str = "the environment is complete";
        Self {
            registration: StartRegistration::open(tables, secrets).expect(COMPLETE),
            completion: CompleteRegistration::open(tables, secrets).expect(COMPLETE),
            password_registration: RegisterByPassword::open(tables, secrets).expect(COMPLETE),
            phone_sign_in: StartPhoneSignIn::open(tables, secrets).expect(COMPLETE),
            password_sign_in: SignInByPassword::open(tables, secrets).expect(COMPLETE),
            codes: VerifyCode::open(tables, secrets).expect(COMPLETE),
            resend: ResendCode::open(tables, secrets).expect(COMPLETE),
            sessions: KeepSession::open(tables, secrets).expect(COMPLETE),
            phone: ChangePhone::open(tables, secrets).expect(COMPLETE),
            email: ChangeEmail::open(tables, secrets).expect(COMPLETE),
            details: ChangeDetails::open(tables).expect(COMPLETE),
            password: ChangePassword::open(tables).expect(COMPLETE),
            reset_start: StartReset::open(tables, secrets).expect(COMPLETE),
            reset: ResetPassword::open(tables, secrets).expect(COMPLETE),
            confirmation: ConfirmSignIn::open(tables, secrets).expect(COMPLETE),
            used_codes: CountUsedCodes::open(tables).expect(COMPLETE),
            spending: Spending::open(tables).expect(COMPLETE),
            operators: Operators::open(tables, secrets).expect(COMPLETE),
            users: ManageUsers::open(tables, secrets).expect(COMPLETE),
            challenges: tables.challenges().expect(COMPLETE),
            settings: tables.settings().expect(COMPLETE),
            keys: secrets.keys().expect(COMPLETE),
        }
    }
}

pub struct Bench {
    pub cases: UseCases,
    pub clock: Arc<TestClock>,
    pub database: Database,
    pub tables: aws_sdk_dynamodb::Client,
    pub secrets: aws_sdk_secretsmanager::Client,
    limits: &'static str,
    email_from: &'static str,
    client_ip: Mutex<IpAddr>,
}

impl Bench {
    const EMAIL_FROM: &str = "Example <no-reply@example.com>";

    /// # Panics
    /// If a server cannot be started.
    pub async fn start() -> Self {
        Self::with("lifted", Self::EMAIL_FROM).await
    }

    /// Without a sender of emails.
    ///
    /// # Panics
    /// If a server cannot be started.
    pub async fn without_email() -> Self {
        Self::with("lifted", "").await
    }

    /// With the limits of a deployment.
    ///
    /// # Panics
    /// If a server cannot be started.
    pub async fn deployed() -> Self {
        Self::with("deployed", Self::EMAIL_FROM).await
    }

    async fn with(limits: &'static str, email_from: &'static str) -> Self {
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
        let cases = cases(&tables, &secrets, &clock, limits, email_from);
        let client_ip = Mutex::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Self { cases, clock, database, tables, secrets, limits, email_from, client_ip }
    }

    /// The same bench with another process of each function, which has caches of its own.
    #[must_use]
    pub fn another_process(&self) -> Self {
        Self {
            cases: cases(&self.tables, &self.secrets, &self.clock, self.limits, self.email_from),
            clock: Arc::clone(&self.clock),
            database: self.database.clone(),
            tables: self.tables.clone(),
            secrets: self.secrets.clone(),
            limits: self.limits,
            email_from: self.email_from,
            client_ip: Mutex::new(self.caller().client_ip),
        }
    }

    /// Requests come from this client IP from now on.
    ///
    /// # Panics
    /// If it is not one.
    pub fn come_from(&self, client_ip: &str) {
        *self.client_ip.lock().unwrap_or_else(PoisonError::into_inner) = client_ip.parse().expect("a client IP");
    }

    fn caller(&self) -> Caller {
        let client_ip = *self.client_ip.lock().unwrap_or_else(PoisonError::into_inner);
        Caller { client_ip, ..caller(&request()) }
    }

    /// Changes the settings of every process.
    ///
    /// # Panics
    /// If they can't be saved.
    pub async fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        let store = self.cases.settings.store();
        let stored = store.load().await.expect("the settings");
        let mut settings = stored.settings.clone();
        change(&mut settings);
        store.save(&stored.with(settings)).await.expect("saved");
        // The caches expire.
        self.clock.advance(31);
    }

    /// Sends the present message of `challenge` as `send-sms` does, to a provider that accepts everything.
    ///
    /// # Errors
    /// Why the message was not sent.
    ///
    /// # Panics
    /// If there is no message to send.
    pub async fn send(&self, challenge: &Value) -> Result<(), DeliveryFailure> {
        let (ring, settings) = (self.ring().await, self.cases.settings.get().await.expect("the settings"));
        let (stored, now) = (self.stored(challenge).await, self.clock.now());
        let (number, challenges) = (stored.send_number, &self.cases.challenges);
        assert!(stored.waits(number), "a message to send");
        let payload: Payload = ring.open(stored.key.as_str(), &stored.sealed, now).expect("ours");
        let phone = payload.to.phone().expect("a number");
        let intent = MessageIntent::of(&stored, &payload, phone, &settings, &ring.pepper, now);
        let reserved = if stored.decoy {
            self.cases.spending.reserve_decoy(&intent).await.map(|()| None).map_err(ReserveError::from)
        } else {
            self.cases.spending.reserve(&intent).await.map(Some)
        };
        let outcome = match reserved {
            Ok(reservation) => Ok(reservation.and_then(|reservation| reservation.asked())),
            Err(ReserveError::Refused(failure)) => Err(failure),
            Err(ReserveError::Table(error)) => panic!("{error}"),
        };
        let record = |current: &Challenge| match &outcome {
            Ok(asked) => {
                let handed_over = current.hand_over(number, 1, None, now)?;
                Some(handed_over.record_delivery(number, Delivery::Sent, now)?.with_asked(asked.clone()))
            }
            Err(failure) => current.refuse(number, *failure, now),
        };
        challenges.advance(stored, record).await.expect("DynamoDB");
        outcome.map(|_| ())
    }

    /// Enters the code of `challenge`, and counts it as the table's stream has it counted: once more than once.
    ///
    /// # Panics
    /// If the code is not accepted.
    pub async fn answer(&self, challenge: &Value) -> Value {
        let verified = self.verify(challenge, &self.code(challenge).await).await.expect("a correct code");
        let used = self.stored(challenge).await;
        for _ in 0..2 {
            self.cases.used_codes.count(&used).await.expect("DynamoDB");
        }
        verified
    }

    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn resend(&self, challenge: &Value) -> Result<Value, Problem> {
        Ok(written(&ChallengeBody::from(self.cases.resend.resend(&self.caller(), &id_of(challenge)).await?)))
    }

    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn start_registration(&self, phone: &str) -> Result<Value, Problem> {
        let phone = read::<PhoneBody>(json!({ "phone": phone })).parse()?;
        Ok(written(&ChallengeBody::from(self.cases.registration.start(&self.caller(), &phone).await?)))
    }

    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn start_login(&self, phone: &str) -> Result<Value, Problem> {
        let phone = read::<PhoneBody>(json!({ "phone": phone })).parse()?;
        Ok(written(&ChallengeBody::from(self.cases.phone_sign_in.start(&self.caller(), &phone).await?)))
    }

    /// Registers with a password and gives the session.
    ///
    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn register_password(&self, email: &str, password: &str) -> Result<Value, Problem> {
        let body = json!({ "name": "Grace", "email": email, "password": password });
        let (name, email, password) = read::<PasswordRegistrationBody>(body).parse()?;
        let (caller, registration) = (self.caller(), &self.cases.password_registration);
        let signed_in = registration.register(&caller, &issuer(), name, email, &password, None).await?;
        Ok(written(&SessionBody::from(signed_in)))
    }

    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn log_in(&self, email: &str, password: &str, device: Option<&str>) -> Result<Value, Problem> {
        self.log_in_from(&self.caller().client_ip.to_string(), email, password, device).await
    }

    /// Signs in from a client IP.
    ///
    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn log_in_from(
        &self,
        client_ip: &str,
        email: &str,
        password: &str,
        device: Option<&str>,
    ) -> Result<Value, Problem> {
        let body = json!({ "email": email, "password": password, "device_token": device });
        let entered = sign_in::read(&with_body(&body), TokenTransport::Body)?;
        let (caller, sign_in) = (caller_from(client_ip), &self.cases.password_sign_in);
        let (email, password, devices) = (&entered.email, &entered.password, &entered.devices);
        Ok(match sign_in.sign_in(&caller, &issuer(), email, password, devices).await? {
            PasswordAccepted::SignedIn(signed_in) => written(&SessionBody::from(*signed_in)),
            PasswordAccepted::SecondStep(challenge) => written(&ChallengeBody::from(challenge)),
        })
    }

    /// Enters what `body` says.
    ///
    /// # Errors
    /// Those of the use case, as a client gets them.
    ///
    /// # Panics
    /// If the response is not JSON.
    pub async fn enter(&self, challenge: &Value, body: Value) -> Result<Value, Problem> {
        self.enter_as(&self.caller(), challenge, body, None).await
    }

    /// Enters what `body` says from a client IP.
    ///
    /// # Errors
    /// Those of the use case, as a client gets them.
    ///
    /// # Panics
    /// If the response is not JSON.
    pub async fn enter_from(&self, client_ip: &str, challenge: &Value, body: Value) -> Result<Value, Problem> {
        self.enter_as(&caller_from(client_ip), challenge, body, None).await
    }

    /// Enters what `body` says with an `Idempotency-Key`.
    ///
    /// # Errors
    /// Those of the use case, as a client gets them.
    ///
    /// # Panics
    /// If the response is not JSON.
    pub async fn enter_with_key(&self, key: &str, challenge: &Value, body: Value) -> Result<Value, Problem> {
        let repeat = Repeatable { key: key.to_owned(), body: body.to_string().into_bytes() };
        self.enter_as(&self.caller(), challenge, body, Some(&repeat)).await
    }

    async fn enter_as(
        &self,
        caller: &Caller,
        challenge: &Value,
        body: Value,
        repeat: Option<&Repeatable>,
    ) -> Result<Value, Problem> {
        let entry = read::<VerifyBody>(body).parse()?;
        let outcome = self.cases.codes.verify(caller, &issuer(), &id_of(challenge), &entry, repeat).await?;
        let response = verified(TokenTransport::Body, &request(), outcome).into_response();
        Ok(serde_json::from_slice(response.body()).expect("JSON"))
    }

    /// Adds an authenticator app to the account of `session`. Gives its secret in base 32 and the response.
    ///
    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn add_totp(&self, session: &Value) -> Result<(String, Value), Problem> {
        let (claims, access) = (self.authenticate(session).await?, &self.cases.phone.access);
        let secret = access.start_totp(&claims).await?.secret;
        let code = OneTimeCode::parse(&totp::code(&secret, self.clock.now().0))?;
        let (user, recovery_codes) = access.confirm_totp(&self.caller(), &claims, &code, None).await?;
        Ok((secret, written(&AccountChangedBody { user: user.into(), recovery_codes })))
    }

    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn verify(&self, challenge: &Value, code: &str) -> Result<Value, Problem> {
        self.enter(challenge, json!({ "code": code })).await
    }

    /// The code that the message would carry, read from the table with the service's own keys.
    ///
    /// # Panics
    /// If there is no such challenge.
    pub async fn code(&self, challenge: &Value) -> String {
        let stored = self.stored(challenge).await;
        let ring = self.ring().await;
        let payload: Payload = ring.open(stored.key.as_str(), &stored.sealed, self.clock.now()).expect("ours");
        payload.code.expose().to_owned()
    }

    /// How many messages and emails were saved for sending, decoys included.
    ///
    /// # Panics
    /// If the table cannot be read.
    #[must_use]
    pub fn sends_saved(&self) -> usize {
        let scan = serde_json::from_value(json!({ "TableName": "codes" })).expect("a request");
        let items = serde_json::to_value(self.database.scan(scan).expect("the table")).expect("JSON");
        let items = items["Items"].as_array().expect("items").iter();
        items.map(|item| item["sends"]["L"].as_array().map_or(0, Vec::len)).sum()
    }

    /// Forbids sign-in by phone to accounts that have a password.
    ///
    /// # Panics
    /// If the settings cannot be saved.
    pub async fn forbid_phone_sign_in(&self) {
        let store = self.cases.settings.store();
        let stored = store.load().await.expect("the settings");
        let mut settings = stored.settings.clone();
        settings.phone_login_for_password_accounts = false;
        store.save(&stored.with(settings)).await.expect("the settings");
        self.clock.advance(31);
    }

    /// What the page sees of a challenge.
    ///
    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn show(&self, challenge: &Value) -> Result<Value, Problem> {
        Ok(written(&ChallengeBody::from(self.cases.resend.show(&id_of(challenge)).await?)))
    }

    /// The challenge as the table has it.
    ///
    /// # Panics
    /// If there is no such challenge.
    pub async fn stored(&self, challenge: &Value) -> Challenge {
        self.cases.challenges.find(id_of(challenge).key()).await.expect("DynamoDB").expect("the challenge")
    }

    /// Deletes the item of a challenge, as DynamoDB does when its time to live is over.
    ///
    /// # Panics
    /// If DynamoDB does not answer.
    pub async fn delete_challenge(&self, challenge: &Value) {
        self.cases.challenges.delete(id_of(challenge).key().as_str()).await.expect("DynamoDB");
    }

    /// # Panics
    /// If the keys cannot be read.
    pub async fn ring(&self) -> Arc<KeyRing> {
        self.cases.keys.get().await.expect("the keys")
    }

    /// Registers `phone` and gives the session.
    ///
    /// # Panics
    /// If a step fails.
    pub async fn register(&self, phone: &str, email: &str) -> Value {
        let challenge = self.start_registration(phone).await.expect("a challenge");
        let verified = self.verify(&challenge, &self.code(&challenge).await).await.expect("a correct code");
        self.complete(&verified, email).await.expect("a session")
    }

    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn complete(&self, verified: &Value, email: &str) -> Result<Value, Problem> {
        let body = json!({ "registration_token": verified["registration_token"], "name": "Ada", "email": email });
        let (token, name, email) = read::<CompleteBody>(body).parse()?;
        let caller = self.caller();
        let completed = self.cases.completion.complete(&caller, &issuer(), token, name, email, None).await?;
        Ok(written(&SessionBody::from(completed)))
    }

    /// # Errors
    /// Those of the use case, as a client gets them.
    ///
    /// # Panics
    /// If `session` is not a session.
    pub async fn authenticate(&self, session: &Value) -> Result<Claims, Problem> {
        let token = session["access_token"].as_str().expect("a token");
        Ok(self.cases.phone.access.authenticate(&issuer(), token).await?)
    }

    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn start_phone_change(&self, session: &Value, phone: &str) -> Result<Value, Problem> {
        let claims = self.authenticate(session).await?;
        let phone = read::<PhoneBody>(json!({ "phone": phone })).parse()?;
        Ok(written(&ChallengeBody::from(self.cases.phone.start(&self.caller(), &claims, &phone).await?)))
    }

    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn change_password(&self, session: &Value, current: &str, new: &str) -> Result<(), Problem> {
        let claims = self.authenticate(session).await?;
        let (current, new) = (current.to_owned().into(), new.to_owned().into());
        let (access, caller) = (&self.cases.phone.access, self.caller());
        self.cases.password.change(access, &caller, &claims, Some(&current), &new, false).await?;
        Ok(())
    }

    /// Sends a code to `email` for the profile.
    ///
    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn start_email_change(&self, session: &Value, email: &str) -> Result<Value, Problem> {
        let claims = self.authenticate(session).await?;
        let email = read::<EmailBody>(json!({ "email": email })).parse()?;
        Ok(written(&ChallengeBody::from(self.cases.email.start(&self.caller(), &claims, &email).await?)))
    }

    /// Verifies the address of a new account with the code of its registration.
    ///
    /// # Panics
    /// If the session has no such code, or it is not correct.
    pub async fn verify_email(&self, session: &Value) {
        let challenge = &session["email_challenge"];
        let verified = self.verify(challenge, &self.code(challenge).await).await.expect("a correct code");
        assert_eq!(verified["user"]["email_verified"], true);
    }

    /// Changes the details that `body` names.
    ///
    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn change_details(&self, session: &Value, body: Value) -> Result<Value, Problem> {
        let claims = self.authenticate(session).await?;
        let (name, email) = read::<DetailsBody>(body).parse()?;
        let (access, caller) = (&self.cases.email.access, self.caller());
        Ok(written(&UserBody::from(self.cases.details.change(access, &caller, &claims, name, email).await?)))
    }

    /// Starts a password reset for whom `body` names.
    ///
    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn forgot(&self, body: Value) -> Result<Value, Problem> {
        let (caller, start) = (self.caller(), &self.cases.reset_start);
        let challenge = match read::<ForgotBody>(body).parse()? {
            Forgot::Email(email) => start.by_email(&caller, &email).await?,
            Forgot::Phone(phone) => start.by_phone(&caller, &phone).await?,
        };
        Ok(written(&ChallengeBody::from(challenge)))
    }

    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn reset(&self, verified: &Value, new: &str) -> Result<Value, Problem> {
        let body = json!({ "reset_token": verified["reset_token"], "new_password": new });
        let ResetBody { reset_token, new_password } = read(body);
        let caller = self.caller();
        let signed_in = self.cases.reset.reset(&caller, &issuer(), reset_token, &new_password, None).await?;
        Ok(written(&SessionBody::from(signed_in)))
    }

    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn reset_with_key(&self, key: &str, verified: &Value, new: &str) -> Result<Value, Problem> {
        let body = json!({ "reset_token": verified["reset_token"], "new_password": new });
        let repeat = Repeatable { key: key.to_owned(), body: body.to_string().into_bytes() };
        let ResetBody { reset_token, new_password } = read(body);
        let (caller, reset) = (self.caller(), &self.cases.reset);
        let signed_in = reset.reset(&caller, &issuer(), reset_token, &new_password, Some(&repeat)).await?;
        Ok(written(&SessionBody::from(signed_in)))
    }

    /// Confirms a sign-in by an idle number with what `proof` says.
    ///
    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn confirm(&self, idle: &Value, proof: Value) -> Result<Value, Problem> {
        let mut body = proof;
        body["registration_token"] = idle["registration_token"].clone();
        let (token, proof) = read::<ConfirmBody>(body).parse()?;
        let caller = self.caller();
        Ok(written(&SessionBody::from(self.cases.confirmation.confirm(&caller, &issuer(), token, &proof).await?)))
    }

    /// The operator behind `token`: the admin key, or an admin's access token.
    ///
    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn operator(&self, token: &str, permission: Permission) -> Result<Operator, Problem> {
        Ok(self.cases.operators.authorise(&self.caller(), &issuer(), token, permission).await?)
    }

    /// An operator with the admin key.
    ///
    /// # Panics
    /// If there is none.
    pub async fn admin_key(&self) -> Operator {
        let key =
            self.secrets.get_secret_value().secret_id(secrets_manager::ADMIN).send().await.expect("the admin key");
        let key = key.secret_string.expect("a text");
        self.operator(&key, Permission::Change).await.unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// What a profile function would do with.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.cases.phone.access
    }

    /// # Panics
    /// If `session` has no refresh token, or DynamoDB fails.
    pub async fn sign_out(&self, session: &Value) {
        let token = RefreshToken::parse(session["refresh_token"].as_str().expect("a token")).expect("a token");
        self.cases.sessions.sign_out(&token).await.expect("DynamoDB");
    }

    /// Registers with a password and verifies `phone`. Gives the session of two steps and the recovery codes.
    ///
    /// # Panics
    /// If a step fails.
    pub async fn register_two_step(&self, email: &str, password: &str, phone: &str) -> (Value, Vec<String>) {
        let session = self.register_password(email, password).await.expect("a session");
        let challenge = self.start_phone_change(&session, phone).await.expect("a challenge");
        let set = self.verify(&challenge, &self.code(&challenge).await).await.expect("a correct code");
        let codes = set["recovery_codes"].as_array().expect("recovery codes").iter();
        let codes = codes.map(|code| code.as_str().expect("a text").to_owned()).collect();
        (self.refresh(&session).await.expect("a session"), codes)
    }

    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn register_with_key(&self, key: &str, email: &str, password: &str) -> Result<Value, Problem> {
        let body = json!({ "name": "Grace", "email": email, "password": password });
        let repeat = Repeatable { key: key.to_owned(), body: body.to_string().into_bytes() };
        let (name, email, password) = read::<PasswordRegistrationBody>(body).parse()?;
        let (caller, registration) = (self.caller(), &self.cases.password_registration);
        let signed_in = registration.register(&caller, &issuer(), name, email, &password, Some(&repeat)).await?;
        Ok(written(&SessionBody::from(signed_in)))
    }

    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn complete_with_key(&self, key: &str, verified: &Value, email: &str) -> Result<Value, Problem> {
        let body = json!({ "registration_token": verified["registration_token"], "name": "Ada", "email": email });
        let repeat = Repeatable { key: key.to_owned(), body: body.to_string().into_bytes() };
        let (token, name, email) = read::<CompleteBody>(body).parse()?;
        let (caller, completion) = (self.caller(), &self.cases.completion);
        let completed = completion.complete(&caller, &issuer(), token, name, email, Some(&repeat)).await?;
        Ok(written(&SessionBody::from(completed)))
    }

    /// # Errors
    /// Those of the use case, as a client gets them.
    pub async fn refresh(&self, session: &Value) -> Result<Value, Problem> {
        let body = with_body(&json!({ "refresh_token": session["refresh_token"] }));
        let token = TokenTransport::Body.refresh_token(&body)?.ok_or(Problem::InvalidRefreshToken)?;
        Ok(written(&SessionBody::from(self.cases.sessions.refresh(&issuer(), &token).await?)))
    }
}

fn cases(
    tables: &aws_sdk_dynamodb::Client,
    secrets: &aws_sdk_secretsmanager::Client,
    clock: &Arc<TestClock>,
    limits: &str,
    email_from: &str,
) -> UseCases {
    let env = Environment::of(
        [
            ("USERS_TABLE", "users"),
            ("CODES_TABLE", "codes"),
            ("SESSIONS_TABLE", "sessions"),
            ("AUDIT_TABLE", "audit"),
            ("COUNTERS_TABLE", "counters"),
            ("SETTINGS_TABLE", "settings"),
            ("KEYS_SECRET", secrets_manager::KEYS),
            ("ADMIN_SECRET", secrets_manager::ADMIN),
            ("SITE_NAME", "Example"),
            ("SITE_HOST", "localhost"),
            ("ALLOWED_COUNTRIES", "*"),
            ("LIMITS", limits),
            ("EMAIL_FROM", email_from),
        ]
        .map(|(variable, value)| (variable, value.to_owned())),
    );
    let tables = Tables::with_client(tables.clone(), env.clone(), clock.clone());
    UseCases::open(&tables, &Secrets::with_client(secrets.clone(), env, clock.clone()))
}

fn issuer() -> Issuer {
    Issuer { issuer: "https://auth.example".into(), audience: "twostep".into() }
}

fn id_of(challenge: &Value) -> ChallengeId {
    ChallengeId::parse(challenge["challenge_id"].as_str().expect("an id")).expect("an id")
}

fn request() -> Request {
    Request::new(Body::Empty)
}

/// A caller at a client IP.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn caller_from(client_ip: &str) -> Caller {
    Caller { client_ip: client_ip.parse().expect("an IP address"), ..caller(&request()) }
}

fn with_body(body: &Value) -> Request {
    let mut request = Request::new(Body::Text(body.to_string()));
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request
}

fn read<T: DeserializeOwned>(body: Value) -> T {
    serde_json::from_value(body).expect("a body of the contract")
}

fn written(body: &impl Serialize) -> Value {
    serde_json::to_value(body).expect("a body of the contract")
}
