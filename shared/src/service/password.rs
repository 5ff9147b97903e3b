//! E-mail and password: registering, signing in, and changing the password.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use lambda_http::Request;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{Service, start::Subject};
use crate::{
    access_token::Claims,
    challenge::{ChallengeKey, Purpose},
    clock::Timestamp,
    email::EmailAddress,
    entropy,
    http::{self, Carrier, ChallengeBody, Problem, SessionBody},
    keys::KeyRing,
    name::PersonName,
    password::{Password, PasswordHash},
    sessions::{SessionStore, SignIn},
    throttle::{self, ThrottleError},
    users::{ChangeError, Device, User, UserId},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    name: String,
    email: String,
    password: SecretString,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    email: String,
    password: SecretString,
    device_token: Option<SecretString>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    current_password: Option<SecretString>,
    new_password: SecretString,
}

impl LoginBody {
    /// # Errors
    /// [`Problem::InvalidRequest`], also when a client that keeps its tokens in cookies sends one in the body.
    pub fn read(request: &Request, carrier: Carrier) -> Result<Self, Problem> {
        let body: Self = http::body(request)?;
        match carrier {
            Carrier::Body => Ok(body),
            Carrier::Cookies(_) if body.device_token.is_some() => Err(Problem::InvalidRequest),
            Carrier::Cookies(jar) => Ok(Self { device_token: jar.device_token(request).map(Into::into), ..body }),
        }
    }
}

/// What a right password gives.
#[derive(Serialize)]
#[serde(untagged)]
pub enum LoggedIn {
    SignedIn(Box<SessionBody>),
    SecondStep(ChallengeBody),
}

impl Service {
    /// Creates an account with e-mail and password, and signs in to it.
    ///
    /// # Errors
    /// [`Problem`] as the contract says for `POST /register/password`.
    pub async fn register_with_password(&self, request: &Request, body: &RegisterBody) -> Result<SessionBody, Problem> {
        let name = PersonName::parse(&body.name)?;
        let email = EmailAddress::parse(&body.email)?;
        let password = Password::choose(&body.password, &[email.as_written(), &body.name])?;
        let ring = self.keys.get().await?;
        if let Some(address) = self.address(&ring, request, "register") {
            self.count(&address).await?;
        }
        let (now, rng) = (self.now(), &mut entropy::system());
        let user = User::new(UserId::random(rng), name, email, None, Some(password.hash(rng)), now);
        let (session, token) = SessionStore::begin(&user.holder(), SignIn::by_password(now), rng);
        self.users.create(&user, self.sessions.insert(&session)).await?;
        Ok(self.session_body(request, &ring, &session, &token, user))
    }

    /// Judges a password. An address that nobody has takes the same steps and the same work, and gets the same answer.
    ///
    /// # Errors
    /// [`Problem`] as the contract says for `POST /login/password`.
    pub async fn log_in_with_password(&self, request: &Request, body: &LoginBody) -> Result<LoggedIn, Problem> {
        let (Ok(email), Some(password)) = (EmailAddress::parse(&body.email), Password::read(&body.password)) else {
            return Err(Problem::InvalidCredentials);
        };
        let ring = self.keys.get().await?;
        let account = throttle::Subject::account(&ring.pepper, &email.normalised());
        let address = self.address(&ring, request, "login");
        // Counted before it is judged: of many guesses at once no more are looked at than of so many in a row.
        let counted = async {
            match &address {
                Some(address) => tokio::try_join!(self.count(&account), self.count(address)).map(|_| ()),
                None => self.count(&account).await,
            }
        };
        let read = async {
            let (settings, user) = tokio::try_join!(self.settings.get(), self.users.find_by_email(&email))?;
            Ok::<_, Problem>((settings, user))
        };
        let ((), (settings, user)) = tokio::try_join!(counted, read)?;

        let kept = user.as_ref().and_then(|user| user.password.clone()).unwrap_or_else(PasswordHash::of_nobody);
        let Some(user) = Some(kept.verify(&password)).filter(|right| *right).and(user) else {
            return Err(Problem::InvalidCredentials);
        };
        tokio::try_join!(self.throttle.forgive(&account), async {
            match &address {
                Some(address) => self.throttle.give_back(address).await,
                None => Ok(()),
            }
        })?;

        let Some(phone) = user.phone.clone().filter(|_| settings.two_step_enabled && user.two_step) else {
            let sign_in = SignIn::by_password(self.now());
            return self.begin_session(request, &ring, user, sign_in, None).await;
        };
        let device = body.device_token.as_ref().and_then(DeviceToken::parse);
        if let Some((token, device)) = device.and_then(|token| token.find(&user, self.now())) {
            let sign_in = SignIn::in_two_steps(device.method, device.mfa_time, self.now());
            return self.begin_session(request, &ring, user, sign_in, Some(&token)).await;
        }
        let key = ChallengeKey::derive(&ring.pepper, Purpose::SecondStep, Some(&user.id), &phone);
        let present = self.challenges.load(&key).await?;
        let subject = Subject::of(Purpose::SecondStep, &phone, Some(user.holder()), request);
        Ok(LoggedIn::SecondStep(self.start(&ring, key, present, subject).await?))
    }

    /// Sets the first password or changes it. Other sessions and remembered devices end.
    ///
    /// # Errors
    /// [`Problem`] as the contract says for `PUT /profile/password`.
    pub async fn change_password(&self, claims: &Claims, body: &PasswordBody) -> Result<(), Problem> {
        let account = self.account(claims).await?;
        let ring = Arc::clone(&account.ring);
        let user = self.require_fresh(claims, account)?;
        if let Some(kept) = &user.password {
            // Counted apart from sign-ins: guessing there must not keep the owner from changing it here.
            let account = throttle::Subject::account(&ring.pepper, user.id.as_str());
            self.count(&account).await?;
            let current = body.current_password.as_ref().and_then(Password::read);
            if !current.is_some_and(|current| kept.verify(&current)) {
                return Err(Problem::InvalidCredentials);
            }
            self.throttle.forgive(&account).await?;
        }
        let name = String::from(user.name.clone());
        let password = Password::choose(&body.new_password, &[user.email.as_written(), &name])
            .map_err(Problem::WeakNewPassword)?;
        let hash = password.hash(&mut entropy::system());
        Ok(self.users.set_password(&user, &hash, &claims.sid).await?)
    }

    /// Begins a session of `user` as it was read; a change of the account in between makes the caller start again.
    async fn begin_session(
        &self,
        request: &Request,
        ring: &KeyRing,
        user: User,
        sign_in: SignIn,
        device: Option<&DeviceToken>,
    ) -> Result<LoggedIn, Problem> {
        let account = user.holder();
        let (session, token) = SessionStore::begin(&account, sign_in, &mut entropy::system());
        let unchanged = match device {
            Some(device) => self.users.device_used(&account, &device.id, &device.hash(), self.now()),
            None => self.users.unchanged(&account),
        };
        match self.users.commit(vec![unchanged, self.sessions.insert(&session)]).await {
            Ok(()) => {
                let body = self.session_body(request, ring, &session, &token, user);
                Ok(LoggedIn::SignedIn(Box::new(body)))
            }
            // The password or the device was changed a moment ago.
            Err(ChangeError::Outdated) => Err(Problem::InvalidCredentials),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn count(&self, subject: &throttle::Subject) -> Result<(), Problem> {
        let now = self.now();
        self.throttle.take(subject, now).await.map_err(|error| match error {
            ThrottleError::Wait(until) => Problem::TooManyRequests { retry_after: now.until(until).as_secs().max(1) },
            ThrottleError::Table(error) => error.into(),
        })
    }

    /// What tries from the caller's address count at; none where addresses are not limited.
    pub(super) fn address(&self, ring: &KeyRing, request: &Request, purpose: &str) -> Option<throttle::Subject> {
        self.limit_addresses.then(|| throttle::Subject::address(&ring.pepper, purpose, http::source_address(request)))
    }
}

/// `<id>.<base64url(secret)>`, 128 and 256 random bits: what a remembered browser keeps.
pub(super) struct DeviceToken {
    pub id: String,
    secret: [u8; 32],
}

impl DeviceToken {
    pub const LIFETIME: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 60 * 60);

    pub fn random(rng: &mut dyn rand::CryptoRng) -> Self {
        Self { id: entropy::identifier(rng), secret: entropy::bytes(rng) }
    }

    fn parse(token: &SecretString) -> Option<Self> {
        use secrecy::ExposeSecret;
        let (id, secret) = token.expose_secret().split_once('.')?;
        let secret = URL_SAFE_NO_PAD.decode(secret).ok()?.try_into().ok()?;
        Some(Self { id: id.to_owned(), secret })
    }

    pub fn expose(&self) -> String {
        format!("{}.{}", self.id, URL_SAFE_NO_PAD.encode(self.secret))
    }

    pub fn hash(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.secret))
    }

    /// The account's device that this token is of, while it lasts.
    fn find(self, user: &User, now: Timestamp) -> Option<(Self, Device)> {
        let device = user.devices.get(&self.id)?;
        let is_it = bool::from(device.token_hash.as_bytes().ct_eq(self.hash().as_bytes()));
        let device = device.clone();
        (is_it && now < device.expires_at).then_some((self, device))
    }
}
