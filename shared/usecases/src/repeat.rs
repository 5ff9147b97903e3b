//! Repeatable requests: a client that got no answer sends the same request with the same `Idempotency-Key` once more and gets
//! the first outcome again (draft-ietf-httpapi-idempotency-key-header). The outcome is written in the transaction that gives
//! it, sealed, and kept for a minute.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use twostep_crypto::{KeyRing, access_token::Issuer, device_token::DeviceToken, refresh_token::RefreshToken};
use twostep_domain::{challenge::Sealed, proof::Confirmation, time::Clock};
use twostep_runtime::{config::ConfigError, entropy};
use twostep_stores::{
    SessionStore, Tables, UserStore,
    outcomes::{OutcomeStore, StoredOutcome},
    transaction::Write,
    users::ChangeError,
};

use crate::{outage::Outage, signed_in::SignedIn};

/// The key that a client chose for a request, with the request's body.
pub struct Repeatable {
    pub key: String,
    pub body: Vec<u8>,
}

/// Where the outcome of a request is kept.
pub struct Ticket {
    id: String,
    body: String,
}

/// What a request led to.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Outcome {
    SignedIn { refresh_token: String, device_token: Option<String> },
    MayRegister { registration_token: String },
    PhoneSet { recovery_codes: Option<Vec<String>> },
    WrongCode { attempts_left: usize },
    RecoveryCodes { recovery_codes: Vec<String> },
    TotpOn { recovery_codes: Option<Vec<String>> },
    PhoneIdle { registration_token: String, confirm_with: Vec<Confirmation> },
    EmailVerified,
    MayReset { reset_token: String },
    SecondStep { challenge_id: String },
}

/// What is known of an earlier request with the same key.
pub(crate) enum Earlier {
    None,
    /// The body was another one.
    OtherBody,
    Outcome(Outcome),
}

pub struct Repeats {
    clock: Arc<dyn Clock>,
    store: OutcomeStore,
}

impl Repeatable {
    /// `scope` is the route, `target` what the request is about: the same key at another target is another body.
    pub(crate) fn ticket(&self, ring: &KeyRing, scope: &str, target: &str) -> Ticket {
        let body = [target.as_bytes(), b"|", &self.body].concat();
        let body = ring.pepper.hide_bytes("idempotency-body", &body);
        Ticket { id: format!("outcome#{}", ring.pepper.hide(&format!("idempotency-key|{scope}"), &self.key)), body }
    }
}

impl Repeats {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self { clock: tables.clock(), store: tables.outcomes()? })
    }

    pub(crate) async fn find(&self, ring: &KeyRing, ticket: Option<&Ticket>) -> Result<Earlier, Outage> {
        let Some(ticket) = ticket else { return Ok(Earlier::None) };
        let now = self.clock.now();
        let Some(stored) = self.store.find(&ticket.id, now).await? else { return Ok(Earlier::None) };
        if stored.body != ticket.body {
            return Ok(Earlier::OtherBody);
        }
        Ok(Earlier::Outcome(ring.open(&ticket.id, &stored.outcome, now)?))
    }

    /// The write that keeps an outcome, for the transaction that gives it. It is refused if the key has an outcome already.
    pub(crate) fn write(&self, ring: &KeyRing, ticket: Option<&Ticket>, outcome: &Outcome) -> Option<Write> {
        let now = self.clock.now();
        ticket.map(|ticket| self.store.insert(&self.stored(ring, ticket, outcome), now))
    }

    /// Gives the session of an earlier sign-in again, with a new refresh token in place of the one that did not arrive.
    /// `None` if that one has been used: then it did arrive.
    pub(crate) async fn sign_in_again(
        &self,
        stores: (&UserStore, &SessionStore),
        issuer: &Issuer,
        ring: &KeyRing,
        ticket: &Ticket,
    ) -> Result<Option<SignedIn>, Outage> {
        // The same request may be repeated several times at once. Each lost round is a repetition that was faster.
        const ROUNDS: usize = 8;
        let ((users, sessions), mut former) = (stores, None);
        for _ in 0..ROUNDS {
            let now = self.clock.now();
            let Some(stored) = self.store.find(&ticket.id, now).await? else { return Ok(None) };
            // Nothing has changed since the last round, so the token has been used.
            if former.as_ref() == Some(&stored.outcome) {
                return Ok(None);
            }
            let outcome = ring.open(&ticket.id, &stored.outcome, now)?;
            let Outcome::SignedIn { refresh_token, device_token } = outcome else { return Ok(None) };
            let Ok(issued) = RefreshToken::parse(&refresh_token) else { return Ok(None) };
            let Some(session) = sessions.find(&issued.session_id()).await? else { return Ok(None) };
            let user = users.find(&session.user_id).await?.filter(|user| session.outlives(user));
            let Some(user) = user else { return Ok(None) };
            let next = issued.successor(&mut entropy::system());
            let renewed = Outcome::SignedIn { refresh_token: next.expose(), device_token: device_token.clone() };
            let renewed = stored.renewed(self.seal(ring, ticket, &renewed));
            let writes =
                vec![sessions.renew_unused(&issued, &next, now), self.store.replace(&renewed, &stored.outcome)];
            match users.commit(writes).await {
                Ok(()) => {
                    let mut signed_in = SignedIn::new(issuer, ring, &session, next, user, now);
                    signed_in.device_token = device_token.and_then(|token| DeviceToken::parse(&token.into()));
                    return Ok(Some(signed_in));
                }
                Err(ChangeError::Outdated) => former = Some(stored.outcome),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Outage::AccountChanged)
    }

    fn stored(&self, ring: &KeyRing, ticket: &Ticket, outcome: &Outcome) -> StoredOutcome {
        let sealed = self.seal(ring, ticket, outcome);
        StoredOutcome::new(ticket.id.clone(), ticket.body.clone(), sealed, self.clock.now())
    }

    fn seal(&self, ring: &KeyRing, ticket: &Ticket, outcome: &Outcome) -> Sealed {
        ring.seal(&ticket.id, outcome, self.clock.now(), &mut entropy::system())
    }
}

impl Outcome {
    pub(crate) fn signed_in(refresh_token: &RefreshToken, device_token: Option<&DeviceToken>) -> Self {
        Self::SignedIn { refresh_token: refresh_token.expose(), device_token: device_token.map(DeviceToken::expose) }
    }
}
