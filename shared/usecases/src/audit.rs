//! The audit trail: what happened to an account. An entry is written in the transaction of what it records, where there is
//! one; otherwise a failure to write it is only logged.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use twostep_crypto::access_token::Claims;
use twostep_domain::{
    account::{Activity, Event, activity::Moment},
    ids::{ClientId, UserId},
    random,
    session::Session,
    time::Clock,
};
use twostep_runtime::{config::ConfigError, entropy};
use twostep_stores::{AuditStore, TableError, Tables, transaction::Write};

use crate::caller::Caller;

pub struct Audit {
    clock: Arc<dyn Clock>,
    pub(crate) store: AuditStore,
}

/// Entries, newest first. `C` says where a page begins.
pub struct Page<T, C = String> {
    pub items: Vec<T>,
    /// Where the next page begins, if there is one.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    const LONGEST: u16 = 50;
    /// One more tells whether there is another page.
    pub(crate) const READ: u16 = Self::LONGEST + 1;

    pub(crate) fn of(mut items: Vec<T>, place: impl Fn(&T) -> C) -> Self {
        let has_more = items.len() > usize::from(Self::LONGEST);
        items.truncate(usize::from(Self::LONGEST));
        let next = items.last().filter(|_| has_more).map(place);
        Self { items, next }
    }
}

/// Keeps entries of one millisecond in order.
static SEQUENCE: AtomicU32 = AtomicU32::new(0);

/// Now, as a place in a trail.
pub(crate) fn moment(clock: &dyn Clock) -> Moment {
    Moment {
        milliseconds: clock.now_in_milliseconds(),
        sequence: SEQUENCE.fetch_add(1, Ordering::Relaxed),
        random: u32::from_le_bytes(random::bytes(&mut entropy::system())),
    }
}

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

    /// What an operator did.
    pub(crate) fn by_operator(&self, event: Event, user: &UserId) -> Activity {
        Activity { by_operator: true, ..self.of_user(event, user) }
    }

    /// A verification for a client. Its trail has an id that no user has.
    pub(crate) fn of_verification(&self, client: &ClientId, id: String) -> Activity {
        let trail = UserId::from_stored(format!("#client-{}", client.as_str()));
        Activity { verification: Some(id), ..self.of_user(Event::VerificationSucceeded, &trail) }
    }

    /// Anything else.
    pub(crate) fn of_user(&self, event: Event, user: &UserId) -> Activity {
        Activity::new(user.clone(), event, self.clock.now(), &moment(&*self.clock))
    }

    /// The entries of `user` that are older than the one that `after` names, newest first.
    pub(crate) async fn page(&self, user: &UserId, after: Option<&str>) -> Result<Page<Activity>, TableError> {
        let (mut entries, now) = (self.store.page(user, after, Page::<Activity>::READ).await?, self.clock.now());
        entries.retain(|entry| entry.is_kept(now));
        Ok(Page::of(entries, |entry| entry.id.clone()))
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
