//! The audit trail: what happened to an account. An entry is written in the transaction of what it records, where there is
//! one; otherwise a failure to write it is only logged.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use twostep_crypto::access_token::Claims;
use twostep_domain::{
    account::{Activity, Event, activity::Moment},
    ids::UserId,
    random,
    session::Session,
    time::Clock,
};
use twostep_runtime::{config::ConfigError, entropy};
use twostep_stores::{AuditStore, Tables, transaction::Write};

use crate::caller::Caller;

pub struct Audit {
    clock: Arc<dyn Clock>,
    pub(crate) store: AuditStore,
}

/// Keeps entries of one millisecond in order.
static SEQUENCE: AtomicU32 = AtomicU32::new(0);

impl Audit {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self { clock: tables.clock(), store: tables.audit()? })
    }

    /// What happened in a session: its beginning or its end.
    pub(crate) fn of_session(&self, event: Event, session: &Session) -> Activity {
        Activity {
            client: session.client.clone(),
            amr: session.amr.clone(),
            session: Some(session.id.clone()),
            ..self.of_user(event, &session.user_id)
        }
    }

    /// What a signed-in user did.
    pub(crate) fn of_claims(&self, event: Event, claims: &Claims, caller: &Caller) -> Activity {
        Activity {
            client: Some(caller.user_agent.clone()),
            amr: claims.amr.clone(),
            session: Some(claims.sid.clone()),
            ..self.of_user(event, &claims.sub)
        }
    }

    /// Anything else.
    pub(crate) fn of_user(&self, event: Event, user: &UserId) -> Activity {
        let moment = Moment {
            milliseconds: self.clock.now_in_milliseconds(),
            sequence: SEQUENCE.fetch_add(1, Ordering::Relaxed),
            random: u32::from_le_bytes(random::bytes(&mut entropy::system())),
        };
        Activity::new(user.clone(), event, self.clock.now(), &moment)
    }

    /// The write of an entry, for the transaction of what it records.
    pub(crate) fn write(&self, entry: &Activity) -> Write {
        self.store.insert(entry)
    }

    /// Adds an entry about something that is done already.
    pub(crate) async fn note(&self, entry: &Activity) {
        if let Err(error) = self.store.add(entry).await {
            tracing::error!(%error, event = entry.event.as_str(), "an audit entry was not written");
        }
    }
}
