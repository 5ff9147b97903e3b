//! Verify numbers for a client that keeps its own accounts: the same machine as for sign-ins, without an account here.

use std::{net::IpAddr, sync::Arc};

use twostep_crypto::{challenge_id::ChallengeId, constant_time};
use twostep_domain::{
    account::PhoneTrust,
    challenge::{ClientVerification, Guess, Purpose, Reference, Verdict},
    ids::ClientId,
    language::Language,
    one_time_code::OneTimeCode,
    phone::PhoneNumber,
    recipient::Recipient,
    time::Timestamp,
};
use twostep_runtime::{
    config::ConfigError,
    metrics::Name,
    secrets::{Keys, Secrets},
};
use twostep_stores::{
    Tables,
    compare_and_swap::{Race, Swap, SwapWith},
};

use crate::{
    audit::Audit,
    caller::Caller,
    codes::{
        Admission, ChallengeView, Challenges, ResendCode, StartError,
        admission::Admitted,
        asking::Asking,
        challenges::NewCode,
        resend::ResendError,
        verify::{Rejection, VerifyError, rejection},
    },
    warm_up,
};

pub struct VerifyForClient {
    keys: Arc<Keys>,
    challenges: Challenges,
    admission: Admission,
    resend: ResendCode,
    audit: Audit,
}

/// What a client asks for.
pub struct NewVerification {
    pub phone: PhoneNumber,
    pub reference: Option<Reference>,
    /// The language of the message; by default that of the request.
    pub language: Option<Language>,
    /// The client IP of the client's user, which counts in place of the client's own.
    pub end_user_ip: Option<IpAddr>,
}

/// A number whose code was entered.
pub struct VerifiedNumber {
    pub phone: PhoneNumber,
    pub reference: Option<Reference>,
    pub at: Timestamp,
}

/// Why a code was not sent again.
#[derive(Debug, thiserror::Error)]
pub enum ResendVerificationError {
    #[error(transparent)]
    Limit(#[from] StartError),
    #[error(transparent)]
    Resend(#[from] ResendError),
}

impl VerifyForClient {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            keys: secrets.keys()?,
            challenges: Challenges::open(tables)?,
            admission: Admission::open(tables)?,
            resend: ResendCode::open(tables, secrets)?,
            audit: Audit::open(tables)?,
        })
    }

    pub async fn warm_up(&self) {
        warm_up::settings(self.admission.settings()).await;
    }

    /// Sends a code, or the present one again.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn start(
        &self,
        caller: &Caller,
        client: &ClientId,
        new: NewVerification,
    ) -> Result<ChallengeView, StartError> {
        let NewVerification { phone, reference, language, end_user_ip } = new;
        let ring = self.keys.get().await?;
        let key = Challenges::key_of_client(&ring, client, &phone);
        let read = self.challenges.store.find(&key);
        let (present, asking) = if let Some(client_ip) = end_user_ip {
            let user = Caller { client_ip, ..caller.clone() };
            let admitted = self.admission.admit_while(&user, &ring, &phone, Some(PhoneTrust::New), read).await?;
            let Admitted { found, asking, .. } = admitted;
            match found {
                Ok(present) => (present, asking),
                Err(error) => {
                    self.admission.release(asking).await;
                    return Err(error.into());
                }
            }
        } else {
            let admitted = async {
                let settings = self.admission.settings().get().await?;
                self.admission.admit(&settings, &ring, Some(PhoneTrust::New), &phone).await
            };
            let (admitted, counted, found) = tokio::join!(admitted, self.admission.count_client(client, &ring), read);
            admitted?;
            counted?;
            (found?, Asking::uncounted())
        };
        let purpose = Purpose::Verification(ClientVerification { client: client.clone(), reference });
        let (language, to) = (language.unwrap_or(caller.language), Recipient::from(phone));
        let new = NewCode { to: &to, purpose, language, decoy: false };
        self.admission.start(&self.challenges, &ring, key, present, new, asking).await
    }

    /// # Errors
    /// [`ResendError::UnknownChallenge`], also for another client's.
    pub async fn show(&self, client: &ClientId, id: &ChallengeId) -> Result<ChallengeView, ResendError> {
        self.resend.show_if(id, |purpose| is_of(purpose, client)).await
    }

    /// # Errors
    /// [`ResendVerificationError`]
    pub async fn resend(&self, client: &ClientId, id: &ChallengeId) -> Result<ChallengeView, ResendVerificationError> {
        let ring = self.keys.get().await.map_err(StartError::from)?;
        self.admission.count_client(client, &ring).await?;
        Ok(self.resend.resend_if(None, id, |purpose| is_of(purpose, client)).await?)
    }

    /// Judges a code. A correct one works once.
    ///
    /// # Errors
    /// [`VerifyError`]
    pub async fn check(
        &self,
        client: &ClientId,
        id: &ChallengeId,
        code: &OneTimeCode,
    ) -> Result<VerifiedNumber, VerifyError> {
        let ring = self.keys.get().await?;
        let mut race = Race::on(self.challenges.store.find(id.key()).await?);
        loop {
            let challenge = Challenges::named(&ring, id, race.next_round()?).ok_or(VerifyError::UnknownChallenge)?;
            let payload = self.challenges.payload(&ring, &challenge)?;
            if !is_of(&payload.purpose, client) {
                return Err(VerifyError::UnknownChallenge);
            }
            let now = self.challenges.clock.now();
            let settings = self.admission.settings().get().await?;
            let fixed = payload.to.phone().and_then(|phone| settings.test_number(phone));
            let matches = constant_time::equal(payload.code.expose(), code.expose())
                || fixed.is_some_and(|number| constant_time::equal(number.code(), code.expose()));
            let verdict = challenge.verify(Guess::Code, matches, now, &self.challenges.policy);
            // The caller hears nothing before it is saved.
            let (next, wrong) = match verdict.map_err(|refusal| VerifyError::Rejected(rejection(refusal, now)))? {
                Verdict::Correct { next } => (next, None),
                Verdict::Wrong { next, attempts_left } => (next, Some(Rejection::WrongCode { attempts_left })),
            };
            let saved = if wrong.is_some() {
                match self.challenges.store.save(&next).await? {
                    Swap::Saved(_) => SwapWith::Saved,
                    Swap::Lost(winner) => SwapWith::Lost(winner),
                }
            } else {
                let id = ChallengeId::write(&ring.pepper, id.key(), next.issue);
                let entry = self.audit.write(&self.audit.of_verification(client, id));
                self.challenges.store.save_with(&next, vec![entry]).await?
            };
            match (saved, wrong) {
                (SwapWith::Lost(winner), _) => race.lost_to(winner),
                // The entry of the trail has no condition.
                (SwapWith::Refused { .. }, _) => return Err(VerifyError::UnknownChallenge),
                (SwapWith::Saved, Some(rejection)) => return Err(VerifyError::Rejected(rejection)),
                (SwapWith::Saved, None) => {
                    self.challenges.count(Name::CodesVerified, &payload);
                    let reference = payload.purpose.verification().and_then(|asked| asked.reference.clone());
                    let Recipient::Phone(phone) = payload.to else { return Err(VerifyError::UnknownChallenge) };
                    return Ok(VerifiedNumber { phone, reference, at: now });
                }
            }
        }
    }
}

fn is_of(purpose: &Purpose, client: &ClientId) -> bool {
    purpose.verification().is_some_and(|verification| verification.client == *client)
}
