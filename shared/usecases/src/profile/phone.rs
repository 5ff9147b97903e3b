//! Verify a new number for the account, or remove the number.

use twostep_crypto::{access_token::Claims, recovery_code};
use twostep_domain::{
    account::{Activity, Event, PhoneTrust},
    authentication_method::Method,
    challenge::{Notice, Purpose, PurposeName, purpose::PhoneChange},
    phone::PhoneNumber,
    recipient::Recipient,
};
use twostep_runtime::{config::ConfigError, entropy, secrets::Secrets};
use twostep_stores::{
    Tables,
    compare_and_swap::{Round, SwapWith},
    users::PHONE_OWNER_WRITE,
};

use crate::{
    access::{Access, AccessError},
    caller::Caller,
    codes::{
        Admission, ChallengeView, Challenges, StartError,
        admission::Admitted,
        challenges::NewCode,
        verify::{CorrectCode, Rejection, Use, Verified, VerifyCode, VerifyError},
    },
    outage::Outage,
    repeat::Outcome,
};

pub struct ChangePhone {
    pub access: Access,
    challenges: Challenges,
    admission: Admission,
}

#[derive(Debug, thiserror::Error)]
pub enum StartChangeError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Start(#[from] StartError),
}

#[derive(Debug, thiserror::Error)]
pub enum RemovePhoneError {
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The account has no password, so the phone is the only way to sign in.
    #[error("the phone is the last way to sign in")]
    LastWayIn,
}

impl ChangePhone {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            access: Access::open(tables, secrets)?,
            challenges: Challenges::open(tables)?,
            admission: Admission::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        self.access.warm_up().await;
    }

    /// Sends a code to a number that the user wants to add. Whether another account owns it is told only after the correct
    /// code.
    ///
    /// # Errors
    /// [`StartChangeError`]
    pub async fn start(
        &self,
        caller: &Caller,
        claims: &Claims,
        phone: &PhoneNumber,
    ) -> Result<ChallengeView, StartChangeError> {
        let ring = self.access.keys.get().await.map_err(StartError::from)?;
        let to = Recipient::from(phone.clone());
        let key = Challenges::key(&ring, PurposeName::Profile, Some(&claims.sub), &to);
        let load = async { Ok::<_, Outage>(self.challenges.store.find(&key).await?) };
        let read = async { tokio::try_join!(load, self.access.open_account(claims)) };
        let Admitted { found, settings, asking } = self.admission.admit_while(caller, &ring, phone, None, read).await?;
        let allowed = async {
            let (present, account) = found.map_err(AccessError::Outage)?;
            let user = account.for_change(claims, &*self.access.clock)?;
            if user.phone.as_ref() != Some(phone) {
                self.admission.admit(&settings, &ring, Some(PhoneTrust::New), phone).await?;
            }
            Ok::<_, StartChangeError>((present, user))
        };
        let (present, user) = match allowed.await {
            Ok(allowed) => allowed,
            Err(refusal) => {
                self.admission.release(asking).await;
                return Err(refusal);
            }
        };
        let change = PhoneChange {
            account: user.snapshot(),
            session: claims.sid.clone(),
            after_password: claims.amr.contains(&Method::Pwd),
            turns_two_step_on: user.password.is_some() && !user.two_step,
            former_phone: user.phone,
        };
        let new = NewCode { to: &to, purpose: Purpose::Profile(change), language: caller.language, decoy: false };
        Ok(self.admission.start(&self.challenges, &ring, key, present, new, asking).await?)
    }

    /// Removes the number, if the account has one. Two-step is off from then on, unless the account has an app for codes,
    /// and the number is told.
    ///
    /// # Errors
    /// [`RemovePhoneError`]
    pub async fn remove(&self, caller: &Caller, claims: &Claims) -> Result<(), RemovePhoneError> {
        let (account, user) = self.access.open_for_change(claims).await?;
        let Some(phone) = &user.phone else { return Ok(()) };
        if user.password.is_none() {
            return Err(RemovePhoneError::LastWayIn);
        }
        let (notices, language) = (&self.access.notices, caller.language);
        let mut writes = self.access.users.remove_phone(&user, phone, Some(&claims.sid));
        let entry = self.access.audit.of_claims(Event::PhoneRemoved, claims, caller);
        let two_step = user.totp().is_none().then_some(false);
        writes.push(self.access.audit.write(&Activity { two_step, ..entry }));
        writes.push(notices.to_removed_number(&account.ring, &user.id, phone, language));
        writes.extend(notices.to_user(&account.ring, &user, Notice::PhoneRemoved, language));
        Ok(self.access.users.commit(writes).await.map_err(|error| AccessError::Outage(error.into()))?)
    }
}

impl VerifyCode {
    /// Gives the number to the account that asked, unless another account owns it. The former number and the user's address
    /// are told.
    pub(crate) async fn use_for_phone_change(
        &self,
        code: CorrectCode<'_>,
        phone: &PhoneNumber,
        change: PhoneChange,
    ) -> Result<Use, VerifyError> {
        let PhoneChange { account, former_phone, session, turns_two_step_on, after_password } = &change;
        let found = self.users.find(&account.user_id).await?;
        let Some(mut user) = found else { return self.use_for_nothing(code, Rejection::CodeExpired).await };
        let (codes, hashes) = turns_two_step_on
            .then(|| recovery_code::fresh_set(&code.ring.pepper, &account.user_id, &mut entropy::system()))
            .unzip();
        let former = former_phone.as_ref();
        let mut writes = self.users.set_phone(account, phone, former, session, hashes.as_deref(), self.now());
        if former != Some(phone) {
            let language = code.caller.language;
            let told = former.map(|former| self.notices.to_removed_number(code.ring, &user.id, former, language));
            writes.extend(told);
            writes.extend(self.notices.to_user(code.ring, &user, Notice::PhoneChanged, language));
        }
        // The change dies with the session that asked for it.
        writes.push(if *after_password {
            self.sessions.second_step_taken(session, Method::Sms, self.now())
        } else {
            self.sessions.is_live(session, self.now())
        });
        writes.push(self.audit.write(&Activity {
            session: Some(session.clone()),
            client: Some(code.caller.user_agent.clone()),
            two_step: (!user.two_step).then_some(true),
            ..self.audit.of_user(Event::PhoneVerified, &account.user_id)
        }));
        writes.extend(self.kept(&code, &Outcome::PhoneSet { recovery_codes: codes.clone() }));
        match self.use_with(&code, writes).await? {
            SwapWith::Saved => {
                user.phone = Some(phone.clone());
                user.two_step = true;
                if let Some(hashes) = hashes {
                    user.recovery_codes = hashes;
                }
                Ok(Round::Done(Verified::PhoneSet { user: Box::new(user), recovery_codes: codes }))
            }
            SwapWith::Lost(winner) => Ok(Round::Lost(winner)),
            SwapWith::Refused { companion: PHONE_OWNER_WRITE, .. } => {
                self.use_for_nothing(code, Rejection::PhoneTaken).await
            }
            // The account was changed meanwhile, so what was asked for is out of date.
            SwapWith::Refused { .. } => self.use_for_nothing(code, Rejection::CodeExpired).await,
        }
    }
}
