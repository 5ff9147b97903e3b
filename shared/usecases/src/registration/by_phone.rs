//! Register with a phone: ask for a code, enter it, then give a name and an email address.

use std::sync::Arc;

use twostep_crypto::{
    access_token::Issuer,
    registration_token::{self, InvalidRegistrationToken},
};
use twostep_domain::{
    account::{Event, PhoneTrust, User},
    challenge::{Purpose, PurposeName},
    email::EmailAddress,
    ids::UserId,
    person_name::PersonName,
    phone::PhoneNumber,
    sign_in::{SignIn, may_sign_in_by_phone},
    time::Clock,
};
use twostep_runtime::{
    config::ConfigError,
    entropy,
    secrets::{Keys, Secrets},
};
use twostep_stores::{
    OutcomeStore, SessionStore, Tables, UserStore,
    compare_and_swap::{Round, SwapWith},
    users::{ChangeError, owner_in},
};

use crate::{
    audit::Audit,
    caller::Caller,
    codes::{
        Admission, ChallengeView, Challenges, StartError,
        admission::Admitted,
        challenges::{Message, NewCode},
        verify::{CorrectCode, Rejection, Use, Verified, VerifyCode, VerifyError},
    },
    outage::{Outage, from_outage},
    repeat::{Earlier, Outcome, Repeatable, Repeats},
    signed_in::{self, SignedIn},
    warm_up,
};

pub struct StartRegistration {
    keys: Arc<Keys>,
    challenges: Challenges,
    admission: Admission,
}

impl StartRegistration {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self { keys: secrets.keys()?, challenges: Challenges::open(tables)?, admission: Admission::open(tables)? })
    }

    pub async fn warm_up(&self) {
        tokio::join!(warm_up::secret(&self.keys), warm_up::settings(self.admission.settings()));
    }

    /// Sends a code to `phone`. Whether the number has an account is not looked at before the code is entered.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn start(&self, caller: &Caller, phone: &PhoneNumber) -> Result<ChallengeView, StartError> {
        let ring = self.keys.get().await?;
        let key = Challenges::key(&ring, PurposeName::Register, None, Some(phone));
        let read = self.challenges.store.find(&key);
        let admitted = self.admission.admit_while(caller, &ring, phone, Some(PhoneTrust::New), read).await?;
        let Admitted { found, asking, .. } = admitted;
        let present = match found {
            Ok(present) => present,
            Err(error) => {
                self.admission.release(asking).await;
                return Err(error.into());
            }
        };
        let (message, language) = (Message::To(phone), caller.language);
        let new = NewCode { message, purpose: Purpose::Register, language, decoy: false };
        self.admission.start(&self.challenges, &ring, key, present, new, asking).await
    }
}

impl VerifyCode {
    /// A free number may be registered. One that has an account signs in to it.
    pub(crate) async fn use_for_registration(
        &self,
        code: CorrectCode<'_>,
        phone: PhoneNumber,
    ) -> Result<Use, VerifyError> {
        let token = registration_token::issue(code.ring, phone.clone(), self.now(), &mut entropy::system());
        let mut companions = vec![self.users.phone_is_free(&phone)];
        companions.extend(self.kept(&code, &Outcome::MayRegister { registration_token: token.clone() }));
        match self.use_with(&code, companions).await? {
            SwapWith::Saved => Ok(Round::Done(Verified::MayRegister { registration_token: token })),
            SwapWith::Lost(winner) => Ok(Round::Lost(winner)),
            SwapWith::Refused { companion: 1.., .. } => Err(VerifyError::IdempotencyMismatch),
            SwapWith::Refused { found, .. } => {
                let owner = owner_in(found.unwrap_or_default())?;
                if !may_sign_in_by_phone(&*self.settings.get().await?, &owner) {
                    return self.use_for_nothing(code, Rejection::PhoneTaken).await;
                }
                self.use_for_sign_in(code, phone, owner).await
            }
        }
    }
}

pub struct CompleteRegistration {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    users: UserStore,
    sessions: SessionStore,
    tokens: OutcomeStore,
    repeats: Repeats,
    audit: Audit,
}

#[derive(Debug, thiserror::Error)]
pub enum CompleteError {
    /// Not a registration token of this service, or it has expired or was used.
    #[error("the registration token is not valid")]
    InvalidRegistrationToken,
    #[error("another account has this email address")]
    EmailTaken,
    #[error("another account uses this phone number")]
    PhoneTaken,
    #[error("the idempotency key came with another body")]
    IdempotencyMismatch,
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(CompleteError);

impl CompleteRegistration {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            users: tables.users()?,
            sessions: tables.sessions()?,
            tokens: tables.outcomes()?,
            repeats: Repeats::open(tables)?,
            audit: Audit::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        warm_up::secret(&self.keys).await;
    }

    /// Creates the account of a verified number and signs in to it, in one transaction that also uses the token up. A used
    /// token is refused before anything else is looked at, and so is one that has met five addresses with an account:
    /// it must not tell which addresses exist.
    ///
    /// # Errors
    /// [`CompleteError`]
    pub async fn complete(
        &self,
        caller: &Caller,
        issuer: &Issuer,
        registration_token: String,
        name: PersonName,
        email: EmailAddress,
        repeat: Option<&Repeatable>,
    ) -> Result<SignedIn, CompleteError> {
        let (ring, now) = (self.keys.get().await?, self.clock.now());
        let ticket = repeat.map(|repeat| repeat.ticket(&ring, "register/complete", ""));
        let token_id = format!("registration#{}", ring.pepper.hide("registration-token", &registration_token));
        let phone = registration_token::open(&ring, registration_token, now)
            .map_err(|InvalidRegistrationToken| CompleteError::InvalidRegistrationToken)?;
        match self.repeats.find(&ring, ticket.as_ref()).await? {
            Earlier::OtherBody => return Err(CompleteError::IdempotencyMismatch),
            Earlier::Outcome(_) => {
                let (stores, ticket) = ((&self.users, &self.sessions), ticket.as_ref());
                let ticket = ticket.ok_or(CompleteError::InvalidRegistrationToken)?;
                let again = Box::pin(self.repeats.sign_in_again(stores, issuer, &ring, ticket)).await?;
                return again.ok_or(CompleteError::InvalidRegistrationToken);
            }
            Earlier::None => {}
        }
        let user = User::new(UserId::random(&mut entropy::system()), name, email, Some(phone), None, now);
        let (session, token) = signed_in::begin(caller, &user.snapshot(), SignIn::by_phone(now));
        let expires_at = now.plus(registration_token::LIFETIME);
        let mut companions = vec![
            self.tokens.spend(&token_id, expires_at),
            self.sessions.insert(&session),
            self.audit.write(&self.audit.of_session(Event::Registered, &session)),
        ];
        companions.extend(self.repeats.write(&ring, ticket.as_ref(), &Outcome::signed_in(&token, None)));
        match self.users.create(&user, companions).await {
            Ok(()) => Ok(SignedIn::new(issuer, &ring, &session, token, user, now)),
            Err(ChangeError::Refused { .. }) => {
                // The same request may have run twice at once.
                let (stores, earlier) =
                    ((&self.users, &self.sessions), self.repeats.find(&ring, ticket.as_ref()).await?);
                if let (Earlier::Outcome(_), Some(ticket)) = (earlier, &ticket)
                    && let Some(again) = Box::pin(self.repeats.sign_in_again(stores, issuer, &ring, ticket)).await?
                {
                    return Ok(again);
                }
                Err(CompleteError::InvalidRegistrationToken)
            }
            Err(ChangeError::EmailTaken) if self.tokens.count_failure(&token_id, expires_at).await? => {
                Err(CompleteError::EmailTaken)
            }
            Err(ChangeError::EmailTaken) => Err(CompleteError::InvalidRegistrationToken),
            Err(ChangeError::PhoneTaken) => Err(CompleteError::PhoneTaken),
            Err(error @ (ChangeError::Outdated | ChangeError::Table(_))) => Err(CompleteError::Outage(error.into())),
        }
    }
}
