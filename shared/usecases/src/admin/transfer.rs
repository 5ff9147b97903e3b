//! Accounts move in with their passwords, and out again.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use twostep_crypto::KeyRing;
use twostep_domain::{
    account::{Action, Event, Operator, User, user::PasswordHash},
    email::EmailAddress,
    ids::UserId,
    person_name::PersonName,
    phone::PhoneNumber,
    time::Clock,
};
use twostep_runtime::{
    config::ConfigError,
    entropy,
    secrets::{Keys, Secrets},
};
use twostep_stores::{Tables, UserStore, users::ChangeError};

use super::trail::Trail;
use crate::{
    audit::Audit,
    outage::{Outage, from_outage},
};

pub struct TransferUsers {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    users: UserStore,
    audit: Audit,
    trail: Trail,
}

/// An account of other software.
pub struct ImportedUser {
    pub id: Option<UserId>,
    pub name: PersonName,
    pub email: EmailAddress,
    pub email_verified: bool,
    /// Verified: an account has no other.
    pub phone: Option<PhoneNumber>,
    pub password: Option<PasswordHash>,
    /// What it was read from.
    pub source: Vec<u8>,
}

/// Why an account is not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("another account has this email address")]
    EmailTaken,
    #[error("another account uses this phone number")]
    PhoneTaken,
    #[error("another account has this id")]
    IdTaken,
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(ImportError);

/// Accounts in an order of no meaning.
pub struct ExportPage {
    pub items: Vec<User>,
    /// Where the next page begins, if there is one.
    pub next: Option<UserId>,
}

impl TransferUsers {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            users: tables.users()?,
            audit: Audit::open(tables)?,
            trail: Trail::open(tables)?,
        })
    }

    /// Creates an account for each of `users`, some at a time. One that fails stops no other; one that was imported before
    /// changes nothing and gives the same id.
    ///
    /// # Errors
    /// [`Outage`] if nothing could be begun.
    pub async fn import(
        &self,
        who: &Operator,
        users: Vec<ImportedUser>,
    ) -> Result<Vec<Result<UserId, ImportError>>, Outage> {
        const AT_ONCE: usize = 16;
        let ring = self.keys.get().await?;
        let one = |user| self.import_one(&ring, user);
        let outcomes: Vec<_> = stream::iter(users).map(one).buffered(AT_ONCE).collect().await;
        let imported = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        self.trail.note(self.trail.entry(who, Action::UsersImported).about([imported.to_string()])).await;
        Ok(outcomes)
    }

    async fn import_one(&self, ring: &KeyRing, imported: ImportedUser) -> Result<UserId, ImportError> {
        let ImportedUser { id, name, email, email_verified, phone, password, source } = imported;
        let (now, source) = (self.clock.now(), ring.pepper.hide_bytes("import", &source));
        let id = id.unwrap_or_else(|| UserId::random(&mut entropy::system()));
        let user = User {
            email_verified_at: email_verified.then_some(now),
            imported_from: Some(source.clone()),
            ..User::new(id.clone(), name, email, phone, password, now)
        };
        let entry = self.audit.write(&self.audit.by_operator(Event::Imported, &id));
        let refusal = match self.users.create(&user, vec![entry]).await {
            Ok(()) => return Ok(id),
            Err(ChangeError::EmailTaken) => ImportError::EmailTaken,
            Err(ChangeError::PhoneTaken) => ImportError::PhoneTaken,
            Err(ChangeError::Outdated) => ImportError::IdTaken,
            Err(error) => return Err(ImportError::Outage(error.into())),
        };
        // The same line again, or the response to the write was lost and the SDK sent it anew.
        let owner = self.users.find_any_by_email(&user.email).await?;
        match owner.filter(|owner| owner.imported_from.as_ref() == Some(&source)) {
            Some(owner) => Ok(owner.id),
            None => Err(refusal),
        }
    }

    /// The accounts whose turn comes after `after`. Those that are turned off stay behind: an import would turn them on.
    ///
    /// # Errors
    /// [`Outage`]
    pub async fn export(&self, who: &Operator, after: Option<&UserId>) -> Result<ExportPage, Outage> {
        const PAGE: usize = 200;
        let mut items = self.users.scan(after, PAGE).await?;
        self.trail.note(self.trail.entry(who, Action::UsersExported).about([items.len().to_string()])).await;
        let next = items.last().filter(|_| items.len() == PAGE).map(|last| last.id.clone());
        items.retain(|user| !user.disabled);
        Ok(ExportPage { items, next })
    }
}
