//! Challenges: start one, and show one to its caller.

use std::{sync::Arc, time::Duration};

use twostep_crypto::{
    KeyRing,
    challenge_id::{ChallengeId, derive_client_key, derive_key},
};
use twostep_domain::{
    challenge::{
        Challenge, DeliveryFailure, DeliveryStatus, Payload, Policy, Purpose, PurposeName, SecondStepMethod, Start,
        TooManyCodes, state_machine::Ask,
    },
    ids::{ChallengeKey, ClientId, UserId},
    language::Language,
    one_time_code::OneTimeCode,
    phone::PhoneNumber,
    recipient::{Channel, Recipient},
    time::{Clock, Timestamp},
};
use twostep_runtime::{
    config::ConfigError,
    entropy,
    metrics::{Dimension, Metric, Name},
    secrets::SecretError,
};
use twostep_stores::{
    ChallengeStore, TableError, Tables,
    compare_and_swap::{Race, Swap},
    transaction::Write,
};

use super::asking::Asking;
use crate::outage::{Outage, from_outage};

pub struct Challenges {
    pub clock: Arc<dyn Clock>,
    pub policy: Policy,
    pub store: ChallengeStore,
}

/// A challenge as its caller sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeView {
    pub id: String,
    pub purpose: PurposeName,
    pub channel: Channel,
    /// What may be shown of the number or address; `None` if nothing is sent.
    pub hint: Option<String>,
    /// What a second step accepts now.
    pub methods: Option<Vec<SecondStepMethod>>,
    pub expires_at: Timestamp,
    /// The earliest moment at which another message is allowed.
    pub resend_at: Timestamp,
    pub delivery: DeliveryStatus,
    /// Why `delivery` is `failed`.
    pub failure: Option<DeliveryFailure>,
}

/// Why a challenge was not started, once the request was admitted.
#[derive(Debug, thiserror::Error)]
pub enum ChallengeError {
    /// This number has had too many codes for this purpose.
    #[error("too many codes")]
    TooManyCodes { wait: Duration },
    /// The client IP has asked for too many messages.
    #[error("too many requests")]
    TooManyRequests { wait: Duration },
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(ChallengeError);

/// A challenge that was started.
pub(crate) struct Started {
    pub view: ChallengeView,
    /// Whether a message was asked for.
    pub is_sent: bool,
}

/// Why a request for a code was refused.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("this number is not served")]
    PhoneNotAllowed,
    /// Two-step is off, so no codes are sent.
    #[error("no codes are sent")]
    CodesOff,
    /// A budget is spent, or the breaker holds messages of this kind back.
    #[error("no messages for now")]
    BudgetSpent { wait: Duration },
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
}

impl From<TableError> for StartError {
    fn from(error: TableError) -> Self {
        Self::Challenge(error.into())
    }
}

impl From<SecretError> for StartError {
    fn from(error: SecretError) -> Self {
        Self::Challenge(error.into())
    }
}

/// What a new code is made for.
pub(crate) struct NewCode<'a> {
    pub to: &'a Recipient,
    pub purpose: Purpose,
    pub language: Language,
    /// Looks like a challenge, but no message is sent and no code is correct.
    pub decoy: bool,
}

impl NewCode<'_> {
    fn payload(&self, weighed: bool) -> Payload {
        Payload {
            code: OneTimeCode::random(&mut entropy::system()),
            to: self.to.clone(),
            language: self.language,
            weighed,
            purpose: self.purpose.clone(),
        }
    }
}

impl Challenges {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self { clock: tables.clock(), policy: Policy::default(), store: tables.challenges()? })
    }

    /// The key of a number that `client` verifies. Clients share neither codes nor counts.
    pub(crate) fn key_of_client(ring: &KeyRing, client: &ClientId, phone: &PhoneNumber) -> ChallengeKey {
        derive_client_key(&ring.pepper, client, phone)
    }

    pub(crate) fn key(ring: &KeyRing, purpose: PurposeName, subject: Option<&UserId>, to: &Recipient) -> ChallengeKey {
        derive_key(&ring.pepper, purpose, subject, to)
    }

    /// Starts a challenge under `key`, or sends the code of the present one again. The write is the only one: the table's
    /// stream does the sending.
    pub(crate) async fn start(
        &self,
        ring: &KeyRing,
        key: ChallengeKey,
        present: Option<Challenge>,
        new: NewCode<'_>,
        asking: &Asking,
    ) -> Result<Started, ChallengeError> {
        let fresh = new.payload(asking.weighed);
        let mut race = Race::on(present);
        loop {
            let present = race.next_round()?;
            let (challenge, is_sent) = match self.next(ring, &key, present.as_ref(), &fresh, new.decoy, asking)? {
                Next::Unchanged(challenge) => {
                    return Ok(Started { view: self.view(ring, challenge, &fresh), is_sent: false });
                }
                Next::Save(challenge) => (challenge, false),
                Next::Send(challenge) => (challenge, true),
            };
            match self.store.save(&challenge).await? {
                Swap::Saved(saved) => {
                    if is_sent {
                        self.count(Name::CodesAsked, &fresh);
                    }
                    return Ok(Started { view: self.view(ring, &saved, &fresh), is_sent });
                }
                Swap::Lost(winner) => race.lost_to(winner),
            }
        }
    }

    /// A challenge under a key that nothing was saved under yet, such as one of a new account, and the write that saves it.
    pub(crate) fn first(
        &self,
        ring: &KeyRing,
        key: &ChallengeKey,
        new: &NewCode<'_>,
    ) -> Result<(ChallengeView, Write), ChallengeError> {
        let asking = Asking::uncounted();
        let fresh = new.payload(asking.weighed);
        let challenge = match self.next(ring, key, None, &fresh, new.decoy, &asking)? {
            Next::Send(challenge) | Next::Save(challenge) => challenge,
            Next::Unchanged(challenge) => challenge.clone(),
        };
        self.count(Name::CodesAsked, &fresh);
        Ok((self.view(ring, &challenge, &fresh), self.store.insert(&challenge)))
    }

    /// What asking for a code changes in `present`.
    fn next<'a>(
        &self,
        ring: &KeyRing,
        key: &ChallengeKey,
        present: Option<&'a Challenge>,
        fresh: &Payload,
        decoy: bool,
        asking: &Asking,
    ) -> Result<Next<'a>, ChallengeError> {
        let now = self.clock.now();
        let seal = |payload: &Payload| ring.seal(key.as_str(), payload, now, &mut entropy::system());
        // A challenge that is older than every key has no usable code, but its counts still hold.
        let opened = present.and_then(|present| ring.open::<Payload>(key.as_str(), &present.sealed, now).ok());
        let same_account = match (present, &opened) {
            (None, _) => true,
            (Some(_), opened) => opened.as_ref().is_some_and(|payload| payload.purpose.serves(&fresh.purpose)),
        };
        let ask = Ask { channel: fresh.to.channel(), decoy, same_account };
        let unsent =
            |failure| Challenge::start_unsent(present, key, ask, now, &self.policy, failure, |_issue| seal(fresh));
        let start = if fresh.to == Recipient::Nobody {
            unsent(None)
        } else {
            let start = Challenge::start(present, key, ask, now, &self.policy, |_issue| seal(fresh));
            let start = match (start, asking.refused) {
                (Ok(Start::Send(_)), Some(wait)) => Err(ChallengeError::TooManyRequests { wait }),
                (Ok(start), _) => Ok(start),
                (Err(TooManyCodes { until }), _) => Err(ChallengeError::TooManyCodes { wait: now.until(until) }),
            };
            match start {
                Ok(start) => start,
                Err(refusal) if fresh.purpose.name().needs_message() => return Err(refusal),
                Err(_) => unsent(Some(DeliveryFailure::TooManyCodes)),
            }
        };
        match (start, present, opened) {
            (Start::Send(challenge), ..) => Ok(Next::Send(challenge)),
            (Start::Unsent(challenge), ..) => Ok(Next::Save(challenge)),
            // The same code, now for the session that asks: that one outlives the change.
            (Start::Alive, Some(present), Some(opened)) if !opened.purpose.same_session(&fresh.purpose) => {
                let sealed = seal(&Payload { code: opened.code, ..fresh.clone() });
                Ok(Next::Save(Challenge { sealed, ..present.clone() }))
            }
            (Start::Alive, Some(present), _) => Ok(Next::Unchanged(present)),
            (Start::Alive, None, _) => unreachable!("only a present challenge is alive"),
        }
    }

    /// The challenge with this id, unless a newer code has replaced it.
    pub(crate) fn named(ring: &KeyRing, id: &ChallengeId, found: Option<Challenge>) -> Option<Challenge> {
        found.filter(|challenge| id.names(&ring.pepper, &challenge.key, challenge.issue))
    }

    pub(crate) fn payload(&self, ring: &KeyRing, challenge: &Challenge) -> Result<Payload, Outage> {
        Ok(ring.open(challenge.key.as_str(), &challenge.sealed, self.clock.now())?)
    }

    /// The delivery of a sign-in or a reset always reads `sent`: anything else would tell whether the number or address has
    /// an account.
    pub(crate) fn view(&self, ring: &KeyRing, challenge: &Challenge, payload: &Payload) -> ChallengeView {
        let now = self.clock.now();
        let (delivery, failure) = if payload.purpose.name().can_be_decoy() {
            (DeliveryStatus::Sent, None)
        } else {
            (challenge.delivery_status(now, &self.policy), challenge.delivery_failure(now))
        };
        let methods = match payload.purpose {
            Purpose::SecondStep { totp, recovery_code, .. } | Purpose::ResetSecondStep { totp, recovery_code, .. } => {
                let by_code = match payload.to {
                    Recipient::Phone(_) => Some(SecondStepMethod::Sms),
                    Recipient::Email(_) => Some(SecondStepMethod::Email),
                    Recipient::Nobody => None,
                };
                let by_code = by_code.filter(|_| challenge.accepts_code(now, &self.policy));
                let others = [(totp, SecondStepMethod::Totp), (recovery_code, SecondStepMethod::RecoveryCode)];
                let others = others.into_iter().filter_map(|(offered, method)| offered.then_some(method));
                Some(by_code.into_iter().chain(others).collect())
            }
            _ => None,
        };
        // Nothing to send again is like a message that must wait until the challenge ends.
        let resend_at = match payload.to {
            Recipient::Nobody => challenge.expires_at,
            _ => challenge.resend_at(&self.policy),
        };
        ChallengeView {
            id: ChallengeId::write(&ring.pepper, &challenge.key, challenge.issue),
            purpose: payload.purpose.name(),
            channel: payload.to.channel(),
            hint: payload.to.hint(),
            methods,
            expires_at: challenge.expires_at,
            resend_at,
            delivery,
            failure,
        }
    }

    pub(crate) fn count(&self, name: Name, payload: &Payload) {
        Metric::count(name).by(Dimension::Purpose, payload.purpose.name().as_str()).emit(self.clock.now());
    }
}

/// The second step that was started: it begins without a message too.
pub(crate) fn second_step(started: Result<Started, ChallengeError>) -> Result<ChallengeView, Outage> {
    started.map(|started| started.view).map_err(|error| match error {
        ChallengeError::Outage(outage) => outage,
        ChallengeError::TooManyCodes { .. } | ChallengeError::TooManyRequests { .. } => {
            unreachable!("a second step begins without a message too")
        }
    })
}

enum Next<'a> {
    /// A code is alive and it is too early to send it again.
    Unchanged(&'a Challenge),
    /// Save this; no message is sent.
    Save(Challenge),
    /// Save this; the table's stream sends it.
    Send(Challenge),
}
