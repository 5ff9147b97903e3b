//! Send a code again, or show how far its message got.

use std::{sync::Arc, time::Duration};

use twostep_crypto::{KeyRing, challenge_id::ChallengeId};
use twostep_domain::{
    challenge::{Challenge, Purpose, ResendRefusal},
    time::Timestamp,
};
use twostep_runtime::{
    config::ConfigError,
    metrics::Name,
    secrets::{Keys, Secrets},
};
use twostep_stores::{
    Tables,
    compare_and_swap::{Race, Swap},
};

use super::{ChallengeView, Challenges, ClientIpLimit, asking::Asking};
use crate::{
    caller::Caller,
    outage::{Outage, from_outage},
    warm_up,
};

pub struct ResendCode {
    keys: Arc<Keys>,
    challenges: Challenges,
    client_ips: ClientIpLimit,
}

#[derive(Debug, thiserror::Error)]
pub enum ResendError {
    /// There is no such challenge, or a newer code has replaced it.
    #[error("unknown challenge")]
    UnknownChallenge,
    #[error("the code has been used")]
    CodeUsed,
    #[error("the code has expired")]
    CodeExpired,
    #[error("too many codes")]
    TooManyCodes { wait: Duration },
    /// The client IP has asked for too many messages.
    #[error("too many requests")]
    TooManyRequests { wait: Duration },
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(ResendError);

impl ResendCode {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            keys: secrets.keys()?,
            challenges: Challenges::open(tables)?,
            client_ips: ClientIpLimit::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        tokio::join!(warm_up::secret(&self.keys), warm_up::settings(&self.client_ips.settings));
    }

    /// # Errors
    /// [`ResendError::UnknownChallenge`], also for a client's verification.
    pub async fn show(&self, id: &ChallengeId) -> Result<ChallengeView, ResendError> {
        self.show_if(id, |purpose| purpose.verification().is_none()).await
    }

    /// # Errors
    /// [`ResendError`]
    pub async fn resend(&self, caller: &Caller, id: &ChallengeId) -> Result<ChallengeView, ResendError> {
        self.resend_if(Some(caller), id, |purpose| purpose.verification().is_none()).await
    }

    /// [`Self::show`] for a caller who may see what `may_see` accepts.
    pub(crate) async fn show_if(
        &self,
        id: &ChallengeId,
        may_see: impl Fn(&Purpose) -> bool,
    ) -> Result<ChallengeView, ResendError> {
        let ring = self.keys.get().await?;
        let challenge = named(&ring, id, self.challenges.store.find(id.key()).await?)?;
        let payload = self.challenges.payload(&ring, &challenge)?;
        if !may_see(&payload.purpose) {
            return Err(ResendError::UnknownChallenge);
        }
        Ok(self.challenges.view(&ring, &challenge, &payload))
    }

    /// [`Self::resend`] for a caller who may see what `may_see` accepts. Without a `caller`, no client IP counts it.
    pub(crate) async fn resend_if(
        &self,
        caller: Option<&Caller>,
        id: &ChallengeId,
        may_see: impl Fn(&Purpose) -> bool,
    ) -> Result<ChallengeView, ResendError> {
        let ring: Arc<KeyRing> = self.keys.get().await?;
        let count = async {
            match caller {
                Some(caller) => self.client_ips.count(caller, &ring).await,
                None => Ok(Asking::uncounted()),
            }
        };
        let (found, asking) = tokio::try_join!(self.challenges.store.find(id.key()), count)?;
        let resent = self.resend_found(&ring, id, found, &asking, may_see).await;
        // After an outage the message may have been saved.
        if !matches!(resent, Ok(_) | Err(ResendError::Outage(_))) {
            self.client_ips.release(asking).await;
        }
        resent
    }

    async fn resend_found(
        &self,
        ring: &KeyRing,
        id: &ChallengeId,
        found: Option<Challenge>,
        asking: &Asking,
        may_see: impl Fn(&Purpose) -> bool,
    ) -> Result<ChallengeView, ResendError> {
        let Self { challenges, .. } = self;
        let mut race = Race::on(found);
        loop {
            let challenge = named(ring, id, race.next_round()?)?;
            let payload = challenges.payload(ring, &challenge)?;
            if !may_see(&payload.purpose) {
                return Err(ResendError::UnknownChallenge);
            }
            let now = challenges.clock.now();
            let next = challenge.resend(now, &challenges.policy).map_err(|refusal| refused(refusal, now))?;
            if let Some(wait) = asking.refused {
                return Err(ResendError::TooManyRequests { wait });
            }
            match challenges.store.save(&next).await? {
                Swap::Saved(saved) => {
                    challenges.count(Name::CodesAsked, &payload);
                    return Ok(challenges.view(ring, &saved, &payload));
                }
                Swap::Lost(winner) => race.lost_to(winner),
            }
        }
    }
}

fn named(ring: &KeyRing, id: &ChallengeId, found: Option<Challenge>) -> Result<Challenge, ResendError> {
    Challenges::named(ring, id, found).ok_or(ResendError::UnknownChallenge)
}

fn refused(refusal: ResendRefusal, now: Timestamp) -> ResendError {
    match refusal {
        ResendRefusal::Used => ResendError::CodeUsed,
        ResendRefusal::Expired => ResendError::CodeExpired,
        ResendRefusal::TooManyCodes { until } => ResendError::TooManyCodes { wait: now.until(until) },
    }
}
