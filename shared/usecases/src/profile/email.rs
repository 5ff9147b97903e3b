//! Verify the account's email address, or replace it by a verified one.

use std::{sync::Arc, time::Duration};

use twostep_crypto::{Pepper, access_token::Claims};
use twostep_domain::{
    account::{Activity, Event, User},
    challenge::{Notice, Purpose, PurposeName, purpose::EmailChange},
    email::EmailAddress,
    ids::UserId,
    rate_limit::RateLimit,
    recipient::Recipient,
    time::{Clock, DAY},
};
use twostep_runtime::{
    config::{self, ConfigError},
    secrets::Secrets,
};
use twostep_stores::{
    SlidingWindowStore, TableError, Tables,
    compare_and_swap::{Round, SwapWith},
    sliding_window::LimitError,
    users::EMAIL_OWNER_WRITE,
};

use crate::{
    access::{Access, AccessError},
    caller::Caller,
    codes::{
        Admission, ChallengeError, ChallengeView, Challenges, StartError,
        challenges::NewCode,
        verify::{CorrectCode, Rejection, Use, Verified, VerifyCode, VerifyError},
    },
    outage::Outage,
    repeat::Outcome,
};

/// Limits how often one account asks for another address: each answer could tell whether the address is taken, and each
/// code goes to somebody.
pub(crate) struct AddressChanges {
    clock: Arc<dyn Clock>,
    windows: SlidingWindowStore,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressChangeLimit {
    #[error("too many requests")]
    Reached { wait: Duration },
    #[error(transparent)]
    Table(#[from] TableError),
}

impl AddressChanges {
    const A_DAY: RateLimit = RateLimit { most: 10, window: DAY };

    pub(crate) fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self { clock: tables.clock(), windows: tables.sliding_windows()? })
    }

    /// Counts an attempt before it is judged.
    pub(crate) async fn reserve(&self, pepper: &Pepper, user: &UserId) -> Result<(), AddressChangeLimit> {
        let (id, now) = (pepper.hide("quota|email-change", user.as_str()), self.clock.now());
        match self.windows.reserve(&id, &[Self::A_DAY], now).await {
            Ok(_) => Ok(()),
            Err(LimitError::Reached(until)) => Err(AddressChangeLimit::Reached { wait: now.until(until) }),
            Err(LimitError::Table(error)) => Err(error.into()),
        }
    }
}

pub struct ChangeEmail {
    pub access: Access,
    challenges: Challenges,
    admission: Admission,
    changes: AddressChanges,
    email_is_on: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum StartEmailChangeError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("no emails are sent")]
    EmailOff,
    #[error(transparent)]
    Start(#[from] StartError),
}

impl From<AddressChangeLimit> for StartEmailChangeError {
    fn from(limit: AddressChangeLimit) -> Self {
        Self::Start(match limit {
            AddressChangeLimit::Reached { wait } => ChallengeError::TooManyRequests { wait }.into(),
            AddressChangeLimit::Table(error) => error.into(),
        })
    }
}

impl ChangeEmail {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            access: Access::open(tables, secrets)?,
            challenges: Challenges::open(tables)?,
            admission: Admission::open(tables)?,
            changes: AddressChanges::open(tables)?,
            email_is_on: config::email_from(tables.env())?.is_some(),
        })
    }

    pub async fn warm_up(&self) {
        self.access.warm_up().await;
    }

    /// Sends a code to an address: the account's own, to verify it, or a new one, which needs a fresh sign-in with every
    /// step. Whether another account owns it is told only after the correct code.
    ///
    /// # Errors
    /// [`StartEmailChangeError`]
    pub async fn start(
        &self,
        caller: &Caller,
        claims: &Claims,
        email: &EmailAddress,
    ) -> Result<ChallengeView, StartEmailChangeError> {
        if !self.email_is_on {
            return Err(StartEmailChangeError::EmailOff);
        }
        let ring = self.access.keys.get().await.map_err(StartError::from)?;
        let to = Recipient::from(email.clone());
        let key = Challenges::key(&ring, PurposeName::Email, Some(&claims.sub), &to);
        let load = async { Ok::<_, Outage>(self.challenges.store.find(&key).await?) };
        let read = async { tokio::try_join!(load, self.access.open_account(claims)) };
        let (found, asking) = self.admission.count_client_ip_while(caller, &ring, read).await?;
        let allowed = async {
            let (present, account) = found.map_err(AccessError::Outage)?;
            let user = account.live_user(&*self.access.clock)?;
            if user.email == *email {
                return Ok((present, user.clone()));
            }
            let user = account.for_change(claims, &*self.access.clock)?;
            self.changes.reserve(&ring.pepper, &user.id).await?;
            Ok::<_, StartEmailChangeError>((present, user))
        };
        let (present, user) = match allowed.await {
            Ok(allowed) => allowed,
            Err(refusal) => {
                self.admission.release(asking).await;
                return Err(refusal);
            }
        };
        let change = EmailChange { account: user.snapshot(), former: user.email, session: claims.sid.clone() };
        let new = NewCode { to: &to, purpose: Purpose::Email(change), language: caller.language, decoy: false };
        Ok(self.admission.start(&self.challenges, &ring, key, present, new, asking).await?)
    }
}

impl VerifyCode {
    /// Verifies the address for the account that asked, unless another account owns it or the session has ended. If the
    /// address is new, both addresses are told.
    pub(crate) async fn use_for_email_change(
        &self,
        code: CorrectCode<'_>,
        email: EmailAddress,
        change: EmailChange,
    ) -> Result<Use, VerifyError> {
        let EmailChange { account, former, session } = &change;
        let (now, is_new) = (self.now(), email != *former);
        // Another address is for the account as it was; the present one is verified as long as the session lives.
        let is_in_order = |user: &User| {
            let has_same_session = !is_new && user.kept_session.as_ref() == Some(session);
            user.email == *former && (user.epoch == account.epoch || has_same_session)
        };
        let user = self.users.find(&account.user_id).await?;
        let Some(user) = user.filter(is_in_order) else {
            return self.use_for_nothing(code, Rejection::CodeExpired).await;
        };
        let mut writes = self.users.set_email(&user, &email, session, now);
        writes.push(self.sessions.is_live(session, now));
        if is_new {
            let language = code.caller.language;
            writes.extend(self.notices.to_user(code.ring, &user, Notice::EmailChanged, language));
            writes.extend(self.notices.to_address(code.ring, &user.id, &email, Notice::EmailChanged, language));
        }
        writes.push(self.audit.write(&Activity {
            session: Some(session.clone()),
            client: Some(code.caller.user_agent.clone()),
            ..self.audit.of_user(if is_new { Event::EmailChanged } else { Event::EmailVerified }, &user.id)
        }));
        writes.extend(self.kept(&code, &Outcome::EmailVerified));
        match self.use_with(&code, writes).await? {
            SwapWith::Saved => {
                let user = User { email, email_verified_at: Some(now), ..user };
                Ok(Round::Done(Verified::EmailVerified { user: Box::new(user) }))
            }
            SwapWith::Lost(winner) => Ok(Round::Lost(winner)),
            SwapWith::Refused { companion: EMAIL_OWNER_WRITE, .. } => {
                self.use_for_nothing(code, Rejection::EmailTaken).await
            }
            // The account was changed or the session ended meanwhile.
            SwapWith::Refused { .. } => self.use_for_nothing(code, Rejection::CodeExpired).await,
        }
    }
}
