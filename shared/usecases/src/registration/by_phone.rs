//! Register with a phone: ask for a code, enter it, then give a name and an email address.

use std::sync::Arc;

use twostep_crypto::{
    access_token::Issuer,
    registration_token::{self, InvalidRegistrationToken},
};
use twostep_domain::{
    account::{PhoneTrust, User},
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
    SessionStore, Tables, UserStore,
    compare_and_swap::{Round, SwapWith},
    users::{ChangeError, owner_in},
};

use crate::{
    caller::Caller,
    codes::{
        Admission, ChallengeView, Challenges, StartError,
        challenges::NewCode,
        verify::{CorrectCode, Rejection, Use, Verified, VerifyCode, VerifyError},
    },
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
        let key = Challenges::key(&ring, PurposeName::Register, None, phone);
        let read = self.challenges.store.find(&key);
        let (present, _) = self.admission.admit_while(caller, &ring, phone, Some(PhoneTrust::New), read).await?;
        let new = NewCode { phone, purpose: Purpose::Register, language: caller.language, decoy: false };
        Ok(self.challenges.start(&ring, key, present?, new).await?)
    }
}

impl VerifyCode {
    /// A free number may be registered. One that has an account signs in to it.
    pub(crate) async fn use_for_registration(&self, code: CorrectCode<'_>) -> Result<Use, VerifyError> {
        match self.use_with(&code, vec![self.users.phone_is_free(&code.phone)]).await? {
            SwapWith::Saved => {
                let token = registration_token::issue(code.ring, code.phone, self.now(), &mut entropy::system());
                Ok(Round::Done(Verified::MayRegister { registration_token: token }))
            }
            SwapWith::Lost(winner) => Ok(Round::Lost(winner)),
            SwapWith::Refused { found, .. } => {
                let owner = owner_in(found.unwrap_or_default())?;
                if !may_sign_in_by_phone(&*self.settings.get().await?, &owner) {
                    return self.use_for_nothing(code, Rejection::PhoneTaken).await;
                }
                self.use_for_sign_in(code, owner).await
            }
        }
    }
}

pub struct CompleteRegistration {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    users: UserStore,
    sessions: SessionStore,
}

#[derive(Debug, thiserror::Error)]
pub enum CompleteError {
    /// Not a registration token of this service, or it has expired.
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
        Ok(Self { clock: tables.clock(), keys: secrets.keys()?, users: tables.users()?, sessions: tables.sessions()? })
    }

    pub async fn warm_up(&self) {
        warm_up::secret(&self.keys).await;
    }

    /// Creates the account of a verified number and signs in to it, in one transaction.
    ///
    /// # Errors
    /// [`CompleteError`]
    pub async fn complete(
        &self,
        issuer: &Issuer,
        registration_token: String,
        name: PersonName,
        email: EmailAddress,
    ) -> Result<SignedIn, CompleteError> {
        let (ring, now) = (self.keys.get().await?, self.clock.now());
        let phone = registration_token::open(&ring, registration_token, now)
            .map_err(|InvalidRegistrationToken| CompleteError::InvalidRegistrationToken)?;
        let user = User::new(UserId::random(&mut entropy::system()), name, email, Some(phone), None, now);
        let (session, token) = signed_in::begin(&user.snapshot(), SignIn::by_phone(now));
        self.users.create(&user, self.sessions.insert(&session)).await.map_err(|error| match error {
            ChangeError::EmailTaken => CompleteError::EmailTaken,
            ChangeError::PhoneTaken => CompleteError::PhoneTaken,
            error @ (ChangeError::Outdated | ChangeError::Table(_)) => CompleteError::Outage(error.into()),
        })?;
        Ok(SignedIn::new(issuer, &ring, &session, token, user, now))
    }
}
