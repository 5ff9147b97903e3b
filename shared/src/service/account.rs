//! Owning an account: finishing a registration, the profile, giving up the phone.

use std::sync::Arc;

use aws_sdk_dynamodb::types::TransactWriteItem;
use lambda_http::Request;
use serde::Deserialize;

use super::{Service, verify::ProvenPhone};
use crate::{
    access_token::Claims,
    challenge::{Challenge, ChallengeKey, Payload, Purpose, Sealed},
    code::Code,
    email::EmailAddress,
    entropy,
    http::{self, Problem, SessionBody, UserBody},
    keys::KeyRing,
    name::PersonName,
    phone::PhoneNumber,
    sessions::{SessionStore, SignIn},
    users::{User, UserId},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompleteBody {
    registration_token: String,
    name: String,
    email: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileBody {
    name: Option<String>,
    email: Option<String>,
}

impl Service {
    /// Creates the account of a proven number and signs in to it, in one transaction.
    ///
    /// # Errors
    /// [`Problem`] as the contract says for `POST /register/complete`.
    pub async fn complete_registration(&self, request: &Request, body: CompleteBody) -> Result<SessionBody, Problem> {
        let name = PersonName::parse(&body.name)?;
        let email = EmailAddress::parse(&body.email)?;
        let ring = self.keys.get().await?;
        let now = self.now();
        let proven: ProvenPhone = ring
            .open(ProvenPhone::PLACE, &Sealed(body.registration_token))
            .map_err(|_| Problem::InvalidRegistrationToken)?;
        if now >= proven.expires_at {
            return Err(Problem::InvalidRegistrationToken);
        }
        let rng = &mut entropy::system();
        let user = User::new(UserId::random(rng), name, email, Some(proven.phone), None, now);
        let (session, token) = SessionStore::begin(&user.holder(), SignIn::by_phone(now), rng);
        self.users.create(&user, self.sessions.insert(&session)).await?;
        Ok(self.session_body(request, &ring, &session, &token, user))
    }

    /// Who asks, by their access token.
    ///
    /// # Errors
    /// [`Problem::InvalidToken`].
    pub async fn authenticate(&self, request: &Request) -> Result<Claims, Problem> {
        let token = http::bearer(request).ok_or(Problem::InvalidToken)?;
        let ring = self.keys.get().await?;
        Ok(self.issuer(request).check(&ring, token, self.now())?)
    }

    /// # Errors
    /// [`Problem::InvalidToken`] when the account is gone.
    pub async fn profile(&self, claims: &Claims) -> Result<UserBody, Problem> {
        Ok(self.users.find(&claims.sub).await?.ok_or(Problem::InvalidToken)?.into())
    }

    /// # Errors
    /// [`Problem`] as the contract says for `PATCH /profile`.
    pub async fn change_profile(&self, claims: &Claims, body: ProfileBody) -> Result<UserBody, Problem> {
        let name = body.name.map(|name| PersonName::parse(&name)).transpose()?;
        let email = body.email.map(|email| EmailAddress::parse(&email)).transpose()?;
        let account = self.account(claims).await?;
        let user = match (&account.user, &email) {
            (Some(user), Some(email)) if *email != user.email => self.require_fresh(claims, account)?,
            _ => account.user.ok_or(Problem::InvalidToken)?,
        };
        let email = email.filter(|email| *email != user.email);
        self.users.rename(&user, name.as_ref(), email.as_ref()).await?;
        let name = name.unwrap_or_else(|| user.name.clone());
        let email = email.unwrap_or_else(|| user.email.clone());
        Ok(User { name, email, ..user }.into())
    }

    /// # Errors
    /// [`Problem`] as the contract says for `DELETE /profile/phone`.
    pub async fn remove_phone(&self, request: &Request, claims: &Claims) -> Result<(), Problem> {
        let account = self.account(claims).await?;
        let ring = Arc::clone(&account.ring);
        let user = self.require_fresh(claims, account)?;
        let Some(phone) = &user.phone else { return Ok(()) };
        if user.password.is_none() {
            return Err(Problem::LastWayIn);
        }
        Ok(self.users.remove_phone(&user, &claims.sid, self.notice(request, &ring, phone)).await?)
    }

    /// The message to a number that was taken out of an account, to be saved with that change.
    pub(super) fn notice(&self, request: &Request, ring: &KeyRing, phone: &PhoneNumber) -> TransactWriteItem {
        let rng = &mut entropy::system();
        let key = ChallengeKey::random(rng);
        let payload = Payload {
            code: Code::random(rng),
            phone: phone.clone(),
            purpose: Purpose::Notice,
            account: None,
            former_phone: None,
            session: None,
            turns_two_step_on: false,
            after_password: false,
            language: http::language(request),
        };
        let sealed = ring.seal(key.as_str(), &payload, self.now(), rng);
        self.challenges.insert(&Challenge::notice(&key, sealed, self.now(), &self.policy))
    }
}
