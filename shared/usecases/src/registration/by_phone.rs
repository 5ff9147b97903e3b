//! Register with a phone: ask for a code, enter it, then give a name and an email address.

use std::sync::Arc;

use twostep_crypto::{
    KeyRing,
    access_token::Issuer,
    registration_token::{self, InvalidRegistrationToken, VerifiedPhone},
};
use twostep_domain::{
    account::{AccountSnapshot, PhoneTrust, User},
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
    caller::Caller,
    codes::{
        Admission, ChallengeView, Challenges, StartError,
        challenges::NewCode,
        verify::{CorrectCode, Rejection, Use, Verified, VerifyCode, VerifyError},
    },
    messages::notice::Notices,
    outage::{Outage, from_outage},
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
        tokio::join!(warm_up::secret(&self.keys), warm_up::settings(&self.admission.settings));
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
        let (present, _) = self.admission.admit_while(caller, &ring, phone, Some(PhoneTrust::New), read).await?;
        let new = NewCode { to: &to, purpose: Purpose::Register, language: caller.language, decoy: false };
        Ok(self.challenges.start(&ring, key, present?, new).await?)
    }
}

impl VerifyCode {
    /// A free number may be registered. One that has an account signs in to it, unless that account has been idle for long.
    pub(crate) async fn use_for_registration(
        &self,
        code: CorrectCode<'_>,
        phone: PhoneNumber,
    ) -> Result<Use, VerifyError> {
        match self.use_with(&code, vec![self.users.phone_is_free(&phone)]).await? {
            SwapWith::Saved => {
                let token = registration_token::issue(code.ring, phone, None, self.now(), &mut entropy::system());
                Ok(Round::Done(Verified::MayRegister { registration_token: token }))
            }
            SwapWith::Lost(winner) => Ok(Round::Lost(winner)),
            SwapWith::Refused { found, .. } => {
                let owner = owner_in(found.unwrap_or_default())?;
                let settings = self.settings.get().await?;
                if owner.is_idle(settings.used_since(self.now())) {
                    return self.use_for_idle_number(code, phone, owner.account).await;
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
    notices: Notices,
    address: AddressCheck,
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
            notices: Notices::open(tables)?,
            address: AddressCheck::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        warm_up::secret(&self.keys).await;
    }

    /// Creates the account of a verified number and signs in to it, in one transaction that also uses the token up. A
    /// number that an idle account had is taken from it; its owner is told.
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
    ) -> Result<SignedIn, CompleteError> {
        let (ring, now) = (self.keys.get().await?, self.clock.now());
        let invalid = |InvalidRegistrationToken| CompleteError::InvalidRegistrationToken;
        let verified = registration_token::open(&ring, registration_token.clone(), now).map_err(invalid)?;
        let token = TokenRecord::of(&ring.pepper, &registration_token, verified.expires_at());
        // Counted before it is judged: otherwise, many tries at once would tell which addresses have accounts.
        let tries = self.tokens.reserve(&token).await?;
        tries.map_err(|Spent| CompleteError::InvalidRegistrationToken)?;
        let created = self.create(caller, issuer, &ring, &verified, &token, name, email).await;
        if matches!(&created, Err(error) if !matches!(error, CompleteError::EmailTaken)) {
            self.tokens.release(&token).await?;
        }
        created
    }

    #[expect(clippy::too_many_arguments, reason = "the rest of one method")]
    async fn create(
        &self,
        caller: &Caller,
        issuer: &Issuer,
        ring: &KeyRing,
        verified: &VerifiedPhone,
        token: &TokenRecord,
        name: PersonName,
        email: EmailAddress,
    ) -> Result<SignedIn, CompleteError> {
        let now = self.clock.now();
        let former = match &verified.former {
            None => None,
            Some(owner) => Some(self.idle_owner(verified, owner).await?),
        };
        let (phone, id) = (&verified.phone, UserId::random(&mut entropy::system()));
        let user = User::new(id, name, email, Some(phone.clone()), None, now);
        let (session, refresh_token) = signed_in::begin(&user.snapshot(), SignIn::by_phone(now));
        let mut companions = vec![self.sessions.insert(&session)];
        let told = former
            .as_ref()
            .and_then(|former| self.notices.to_user(ring, former, Notice::PhoneTakenOver, caller.language));
        companions.extend(told);
        let check = self.address.of_new_account(ring, &user, &session.id, caller.language)?;
        let (email_challenge, write) = check.unzip();
        companions.extend(write);
        let token = self.tokens.use_up(token);
        let created = self.users.create_by_phone(&user, phone, former.as_ref(), token, companions).await;
        created.map_err(|error| match error {
            ChangeError::TokenSpent => CompleteError::InvalidRegistrationToken,
            ChangeError::EmailTaken => CompleteError::EmailTaken,
            ChangeError::PhoneTaken => CompleteError::PhoneTaken,
            error @ (ChangeError::Outdated | ChangeError::Table(_)) => CompleteError::Outage(error.into()),
        })?;
        let signed_in = SignedIn::new(issuer, ring, &session, refresh_token, user, now);
        Ok(SignedIn { email_challenge, ..signed_in })
    }

    /// The account that had the number, if it was not used since the number was verified.
    async fn idle_owner(&self, verified: &VerifiedPhone, owner: &AccountSnapshot) -> Result<User, CompleteError> {
        let user = self.users.find(&owner.user_id).await?;
        let is_idle = |user: &User| {
            user.epoch == owner.epoch && user.last_used_at.is_some_and(|used| used < verified.verified_at())
        };
        user.filter(is_idle).ok_or(CompleteError::PhoneTaken)
    }
}
