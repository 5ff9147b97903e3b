//! Sign in with a phone: ask for a code, enter it.

use std::sync::Arc;

use twostep_crypto::registration_token;
use twostep_domain::{
    account::{AccountSnapshot, Event, User},
    challenge::{Purpose, PurposeName},
    phone::PhoneNumber,
    proof::Confirmation,
    recipient::Recipient,
    sign_in::{SignIn, may_sign_in_by_phone},
};
use twostep_runtime::{
    config::ConfigError,
    entropy,
    secrets::{Keys, Secrets},
};
use twostep_stores::{
    TableError, Tables, UserStore,
    compare_and_swap::{Round, SwapWith},
    users::owner_in,
};

use crate::{
    caller::Caller,
    codes::{
        Admission, ChallengeView, Challenges, StartError,
        admission::Admitted,
        challenges::NewCode,
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
        let to = Recipient::from(phone.clone());
        let key = Challenges::key(&ring, PurposeName::Login, None, &to);
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
        let new = NewCode { to: &to, purpose: Purpose::Login { account }, language: caller.language, decoy };
        self.admission.start(challenges, &ring, key, present, new, asking).await
    }
}

impl VerifyCode {
    /// Signs in to the account that owns the number, if it still does and has not been idle for long.
    pub(crate) async fn use_for_sign_in(
        &self,
        code: CorrectCode<'_>,
        phone: PhoneNumber,
        mut owner: AccountSnapshot,
    ) -> Result<Use, VerifyError> {
        let settings = self.settings.get().await?;
        let now = self.now();
        let used_since = settings.used_since(now);
        // Twice at most: the account may have ended its sessions since the code was requested.
        for _ in 0..2 {
            if !may_sign_in_by_phone(&settings, &owner) {
                break;
            }
            let (session, token) = signed_in::begin(code.caller, &owner, SignIn::by_phone(now));
            let mut companions = vec![
                self.users.phone_belongs_to(&phone, &owner, used_since),
                self.sessions.insert(&session),
                self.audit.write(&self.audit.of_session(Event::SignedIn, &session)),
            ];
            companions.extend(self.kept(&code, &Outcome::signed_in(&token, None)));
            // Both run to their end: a failed read must not cut off a write that may have been done.
            let (used, user) = tokio::join!(self.use_with(&code, companions), self.users.find(&owner.user_id));
            match used? {
                SwapWith::Saved => {
                    let user = self.read_again(user, &owner.user_id).await?;
                    signed_in::record_use(&self.users, &user, now).await;
                    let signed_in = SignedIn::new(code.issuer, code.ring, &session, token, user, now);
                    return Ok(Round::Done(Verified::SignedIn(Box::new(signed_in))));
                }
                SwapWith::Lost(winner) => return Ok(Round::Lost(winner)),
                SwapWith::Refused { found, .. } => match found.map(owner_in).transpose()? {
                    Some(current) if current.account.user_id == owner.user_id => {
                        if current.is_idle(used_since) {
                            return self.use_for_idle_number(code, phone, current.account).await;
                        }
                        if current.disabled {
                            break;
                        }
                        owner = current.account;
                    }
                    _ => break,
                },
            }
        }
        // The number has another owner since the code was requested, so the code is rejected.
        self.use_for_nothing(code, Rejection::CodeExpired).await
    }

    /// Gives no session: after so long, the number may have a new owner. The former one confirms with something else, the
    /// new one registers.
    pub(crate) async fn use_for_idle_number(
        &self,
        code: CorrectCode<'_>,
        phone: PhoneNumber,
        owner: AccountSnapshot,
    ) -> Result<Use, VerifyError> {
        let user = self.users.find_any(&owner.user_id).await?.ok_or(TableError::Malformed { table: "users" })?;
        let (now, rng) = (self.now(), &mut entropy::system());
        let registration_token = registration_token::issue(code.ring, phone.clone(), Some(owner.clone()), now, rng);
        let confirm_with = confirmations(&user);
        let mut companions = vec![self.users.phone_belongs_to(&phone, &owner, None)];
        let outcome =
            Outcome::PhoneIdle { registration_token: registration_token.clone(), confirm_with: confirm_with.clone() };
        companions.extend(self.kept(&code, &outcome));
        match self.use_with(&code, companions).await? {
            SwapWith::Saved => Ok(Round::Done(Verified::PhoneIdle { registration_token, confirm_with })),
            SwapWith::Lost(winner) => Ok(Round::Lost(winner)),
            SwapWith::Refused { .. } => self.use_for_nothing(code, Rejection::CodeExpired).await,
        }
    }
}

fn confirmations(user: &User) -> Vec<Confirmation> {
    if user.disabled {
        return Vec::new();
    }
    let has = [
        (Confirmation::Password, user.password.is_some()),
        (Confirmation::Totp, user.totp().is_some()),
        (Confirmation::RecoveryCode, !user.recovery_codes.is_empty()),
    ];
    has.into_iter().filter_map(|(confirmation, has)| has.then_some(confirmation)).collect()
}
