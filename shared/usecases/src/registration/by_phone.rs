//! Register with a phone: ask for a code, enter it, then give a name and an email address.

use std::sync::Arc;

use twostep_crypto::{
    KeyRing,
    access_token::Issuer,
    registration_token::{self, InvalidRegistrationToken, VerifiedPhone},
};
use twostep_domain::{
    account::{AccountSnapshot, Event, PhoneTrust, User},
    challenge::{Notice, Purpose, PurposeName},
    email::EmailAddress,
    ids::UserId,
    person_name::PersonName,
    phone::PhoneNumber,
    recipient::Recipient,
    sign_in::{SignIn, may_sign_in_by_phone},
    time::Clock,
};
use twostep_runtime::{
    config::ConfigError,
    entropy,
    secrets::{Keys, Secrets},
};
use twostep_stores::{
    RegistrationTokenStore, SessionStore, Tables, UserStore,
    compare_and_swap::{Round, SwapWith},
    registration_tokens::{Spent, TokenRecord},
    users::{ChangeError, owner_in},
};

use super::address::AddressCheck;
use crate::{
    audit::Audit,
    caller::Caller,
    codes::{
        Admission, ChallengeView, Challenges, StartError,
        admission::Admitted,
        challenges::NewCode,
        verify::{CorrectCode, Rejection, Use, Verified, VerifyCode, VerifyError},
    },
    messages::notice::Notices,
    outage::{Outage, from_outage},
    repeat::{Earlier, Outcome, Repeatable, Repeats, Ticket},
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
        let to = Recipient::from(phone.clone());
        let key = Challenges::key(&ring, PurposeName::Register, None, &to);
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
        let new = NewCode { to: &to, purpose: Purpose::Register, language: caller.language, decoy: false };
        self.admission.start(&self.challenges, &ring, key, present, new, asking).await
    }
}

impl VerifyCode {
    /// A free number may be registered. One that has an account signs in to it, unless that account has been idle for long.
    pub(crate) async fn use_for_registration(
        &self,
        code: CorrectCode<'_>,
        phone: PhoneNumber,
    ) -> Result<Use, VerifyError> {
        let token = registration_token::issue(code.ring, phone.clone(), None, self.now(), &mut entropy::system());
        let mut companions = vec![self.users.phone_is_free(&phone)];
        companions.extend(self.kept(&code, &Outcome::MayRegister { registration_token: token.clone() }));
        match self.use_with(&code, companions).await? {
            SwapWith::Saved => Ok(Round::Done(Verified::MayRegister { registration_token: token })),
            SwapWith::Lost(winner) => Ok(Round::Lost(winner)),
            SwapWith::Refused { companion: 1.., .. } => Err(VerifyError::IdempotencyMismatch),
            SwapWith::Refused { found, .. } => {
                let owner = owner_in(found.unwrap_or_default())?;
                let settings = self.settings.get().await?;
                if owner.is_idle(settings.used_since(self.now())) {
                    return self.use_for_idle_number(code, phone, owner.account).await;
                }
                if owner.disabled {
                    return self.use_for_nothing(code, Rejection::CodeExpired).await;
                }
                if !may_sign_in_by_phone(&settings, &owner.account) {
                    return self.use_for_nothing(code, Rejection::PhoneTaken).await;
                }
                self.use_for_sign_in(code, phone, owner.account).await
            }
        }
    }
}

pub struct CompleteRegistration {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    users: UserStore,
    sessions: SessionStore,
    tokens: RegistrationTokenStore,
    repeats: Repeats,
    audit: Audit,
    notices: Notices,
    address: AddressCheck,
}

/// A registration with a token that is in order.
#[derive(Clone, Copy)]
struct Request<'a> {
    caller: &'a Caller,
    issuer: &'a Issuer,
    ring: &'a KeyRing,
    verified: &'a VerifiedPhone,
    ticket: Option<&'a Ticket>,
}

#[derive(Debug, thiserror::Error)]
pub enum CompleteError {
    /// Not a registration token of this service, expired, used before, or tried too often in vain.
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
            tokens: tables.registration_tokens()?,
            repeats: Repeats::open(tables)?,
            audit: Audit::open(tables)?,
            notices: Notices::open(tables)?,
            address: AddressCheck::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        warm_up::secret(&self.keys).await;
    }

    /// Creates the account of a verified number and signs in to it, in one transaction that also uses the token up. A used
    /// token is refused before anything else is looked at, and so is one that has met five addresses with an account: it
    /// must not tell which addresses exist. A number that an idle account had is taken from it; its owner is told.
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
        let invalid = |InvalidRegistrationToken| CompleteError::InvalidRegistrationToken;
        let verified = registration_token::open(&ring, registration_token.clone(), now).map_err(invalid)?;
        if let Some(again) = self.completed_before(issuer, &ring, ticket.as_ref()).await? {
            return Ok(again);
        }
        let token = TokenRecord::of(&ring.pepper, &registration_token, verified.expires_at());
        // Counted before it is judged: otherwise, many tries at once would tell which addresses have accounts.
        let created = match self.tokens.reserve(&token).await? {
            Ok(_) => {
                let request = Request { caller, issuer, ring: &ring, verified: &verified, ticket: ticket.as_ref() };
                let created = Box::pin(self.create(request, &token, name, email)).await;
                if matches!(&created, Err(error) if !matches!(error, CompleteError::EmailTaken)) {
                    self.tokens.release(&token).await?;
                }
                created
            }
            Err(Spent) => Err(CompleteError::InvalidRegistrationToken),
        };
        match created {
            // The same request may have run twice at once.
            Err(CompleteError::InvalidRegistrationToken) if ticket.is_some() => {
                let again = self.completed_before(issuer, &ring, ticket.as_ref()).await?;
                again.ok_or(CompleteError::InvalidRegistrationToken)
            }
            created => created,
        }
    }

    /// The session that an earlier request with the same key began.
    async fn completed_before(
        &self,
        issuer: &Issuer,
        ring: &KeyRing,
        ticket: Option<&Ticket>,
    ) -> Result<Option<SignedIn>, CompleteError> {
        match (self.repeats.find(ring, ticket).await?, ticket) {
            (Earlier::OtherBody, _) => Err(CompleteError::IdempotencyMismatch),
            (Earlier::Outcome(_), Some(ticket)) => {
                let stores = (&self.users, &self.sessions);
                let again = Box::pin(self.repeats.sign_in_again(stores, issuer, ring, ticket)).await?;
                let again = again.ok_or(CompleteError::InvalidRegistrationToken)?;
                Ok(self.address.again(ring, Some(again)).await?)
            }
            _ => Ok(None),
        }
    }

    async fn create(
        &self,
        request: Request<'_>,
        token: &TokenRecord,
        name: PersonName,
        email: EmailAddress,
    ) -> Result<SignedIn, CompleteError> {
        let Request { caller, issuer, ring, verified, ticket } = request;
        let now = self.clock.now();
        let former = match &verified.former {
            None => None,
            Some(owner) => Some(self.idle_owner(verified, owner).await?),
        };
        let (phone, id) = (&verified.phone, UserId::random(&mut entropy::system()));
        let user = User::new(id, name, email, Some(phone.clone()), None, now);
        let (session, refresh_token) = signed_in::begin(caller, &user.snapshot(), SignIn::by_phone(now));
        let mut companions =
            vec![self.sessions.insert(&session), self.audit.write(&self.audit.of_session(Event::Registered, &session))];
        companions.extend(self.repeats.write(ring, ticket, &Outcome::signed_in(&refresh_token, None)));
        if let Some(former) = &former {
            companions.push(self.audit.write(&self.audit.of_user(Event::PhoneTakenOver, &former.id)));
            companions.extend(self.notices.to_user(ring, former, Notice::PhoneTakenOver, caller.language));
        }
        let (email_challenge, write) = self.address.of_new_account(ring, &user, &session.id, caller.language)?.unzip();
        companions.extend(write);
        let token = self.tokens.use_up(token);
        let created = self.users.create_by_phone(&user, phone, former.as_ref(), token, companions).await;
        created.map_err(|error| match error {
            ChangeError::TokenSpent | ChangeError::Refused { .. } => CompleteError::InvalidRegistrationToken,
            ChangeError::EmailTaken => CompleteError::EmailTaken,
            ChangeError::PhoneTaken => CompleteError::PhoneTaken,
            error @ (ChangeError::Outdated | ChangeError::LastAdmin | ChangeError::Table(_)) => {
                CompleteError::Outage(error.into())
            }
        })?;
        let signed_in = SignedIn::new(issuer, ring, &session, refresh_token, user, now);
        Ok(SignedIn { email_challenge, ..signed_in })
    }

    /// The account that had the number, if it was not used since the number was verified.
    async fn idle_owner(&self, verified: &VerifiedPhone, owner: &AccountSnapshot) -> Result<User, CompleteError> {
        let user = self.users.find_any(&owner.user_id).await?;
        let is_idle = |user: &User| {
            user.epoch == owner.epoch && user.last_used_at.is_some_and(|used| used < verified.verified_at())
        };
        user.filter(is_idle).ok_or(CompleteError::PhoneTaken)
    }
}
