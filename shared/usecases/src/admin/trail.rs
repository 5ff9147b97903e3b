//! The trail of operators. An entry is written in the transaction of what it records, where there is one; otherwise it
//! follows at once, and a failure to write it is logged.

use std::sync::Arc;

use twostep_domain::{
    account::{Action, Operation, Operator},
    time::Clock,
};
use twostep_runtime::config::ConfigError;
use twostep_stores::{AuditStore, Tables, transaction::Write};

use crate::{
    audit::{Page, moment},
    outage::Outage,
};

pub struct Trail {
    clock: Arc<dyn Clock>,
    store: AuditStore,
}

impl Trail {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self { clock: tables.clock(), store: tables.audit()? })
    }

    pub(crate) fn entry(&self, who: &Operator, action: Action) -> Operation {
        Operation::new(who.clone(), action, self.clock.now(), &moment(&*self.clock))
    }

    /// The write of an entry, for the transaction of what it records.
    pub(crate) fn write(&self, entry: &Operation) -> Write {
        self.store.insert_operation(entry)
    }

    /// Adds an entry about something that is done already.
    pub(crate) async fn note(&self, entry: Operation) {
        let (action, operator) = (entry.action.as_str(), &entry.operator);
        tracing::info!(%operator, action, about = entry.about.join(","), "an operator acted");
        if let Err(error) = self.store.add_operation(&entry).await {
            tracing::error!(%error, %operator, action, "an entry of the operators' trail was not written");
        }
    }

    /// The entries that are older than the one that `after` names, newest first.
    ///
    /// # Errors
    /// [`Outage`]
    pub async fn page(&self, after: Option<&str>) -> Result<Page<Operation>, Outage> {
        let (mut entries, now) = (self.store.operations(after, Page::<Operation>::READ).await?, self.clock.now());
        entries.retain(|entry| entry.is_kept(now));
        Ok(Page::of(entries, |entry| entry.id.clone()))
    }
}
