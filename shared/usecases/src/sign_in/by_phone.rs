//! Sign in with a phone: ask for a code, enter it.

use std::sync::Arc;

use twostep_domain::{
    account::{AccountSnapshot, Event},
    challenge::{Purpose, PurposeName},
    phone::PhoneNumber,
    sign_in::{SignIn, may_sign_in_by_phone},
};
use twostep_runtime::{
    config::ConfigError,
    secrets::{Keys, Secrets},
};
use twostep_stores::{
    Tables, UserStore,
    compare_and_swap::{Round, SwapWith},
    users::owner_in,
};

use crate::{
    caller::Caller,
    codes::{
        Admission, ChallengeView, Challenges, StartError,
        admission::Admitted,
        challenges::{Message, NewCode},
        verify::{CorrectCode, Rejection, Use, Verified, VerifyCode, VerifyError},
    },
    repeat::Outcome,
    signed_in::{self, SignedIn},
    warm_up,
};

pub struct StartPhoneSignIn {
    keys: Arc<Keys>,
    challenges: Challenges,
    users: UserStore,
    admission: Admission,
}

impl StartPhoneSignIn {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            keys: secrets.keys()?,
            challenges: Challenges::open(tables)?,
            users: tables.users()?,
            admission: Admission::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        tokio::join!(warm_up::secret(&self.keys), warm_up::settings(self.admission.settings()));
    }

    /// Sends a code to `phone`. A number without an account gets a decoy, through the same steps and with the same
    /// response.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn start(&self, caller: &Caller, phone: &PhoneNumber) -> Result<ChallengeView, StartError> {
        let ring = self.keys.get().await?;
        let key = Challenges::key(&ring, PurposeName::Login, None, Some(phone));
        let read = async { tokio::try_join!(self.challenges.store.find(&key), self.users.phone_owner(phone)) };
        // Who owns the number must not affect the response, so nothing is known about it here.
        let admitted = self.admission.admit_while(caller, &ring, phone, None, read).await?;
        let (Admitted { found, settings, asking }, challenges) = (admitted, &self.challenges);
        let (present, owner) = match found {
            Ok(found) => found,
            Err(error) => {
                self.admission.release(asking).await;
                return Err(error.into());
            }
        };
        let account = owner.filter(|owner| may_sign_in_by_phone(&settings, owner));
        let decoy = account.is_none();
        let (message, language) = (Message::To(phone), caller.language);
        let new = NewCode { message, purpose: Purpose::Login { account }, language, decoy };
        self.admission.start(challenges, &ring, key, present, new, asking).await
    }
}

impl VerifyCode {
    /// Signs in to the account that owns the number, if it still does.
    pub(crate) async fn use_for_sign_in(
        &self,
        code: CorrectCode<'_>,
        phone: PhoneNumber,
        mut owner: AccountSnapshot,
    ) -> Result<Use, VerifyError> {
        let settings = self.settings.get().await?;
        // Twice at most: the account may have ended its sessions since the code was requested.
        for _ in 0..2 {
            if !may_sign_in_by_phone(&settings, &owner) {
                break;
            }
            let now = self.now();
            let (session, token) = signed_in::begin(code.caller, &owner, SignIn::by_phone(now));
            let mut companions = vec![
                self.users.phone_belongs_to(&phone, &owner),
                self.sessions.insert(&session),
                self.audit.write(&self.audit.of_session(Event::SignedIn, &session)),
            ];
            companions.extend(self.kept(&code, &Outcome::signed_in(&token, None)));
            // Both run to their end: a failed read must not cut off a write that may have been done.
            let (used, user) = tokio::join!(self.use_with(&code, companions), self.users.find(&owner.user_id));
            match used? {
                SwapWith::Saved => {
                    let user = self.read_again(user, &owner.user_id).await?;
                    let signed_in = SignedIn::new(code.issuer, code.ring, &session, token, user, now);
                    return Ok(Round::Done(Verified::SignedIn(Box::new(signed_in))));
                }
                SwapWith::Lost(winner) => return Ok(Round::Lost(winner)),
                SwapWith::Refused { found, .. } => match found.map(owner_in).transpose()? {
                    Some(current) if current.user_id == owner.user_id => owner = current,
                    _ => break,
                },
            }
        }
        // The number has another owner since the code was requested, so the code is rejected.
        self.use_for_nothing(code, Rejection::CodeExpired).await
    }
}
