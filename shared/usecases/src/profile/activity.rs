//! What happened to an account, page by page.

use twostep_crypto::access_token::Claims;
use twostep_domain::account::Activity;

use crate::access::{Access, AccessError};

/// Entries, newest first.
pub struct ActivityPage {
    pub items: Vec<Activity>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

impl Access {
    /// The entries that are older than the one that `after` names.
    ///
    /// # Errors
    /// [`AccessError`]
    pub async fn activity(&self, claims: &Claims, after: Option<&str>) -> Result<ActivityPage, AccessError> {
        const PAGE: u16 = 50;
        let (_, user) = self.open_live(claims).await?;
        // One more tells whether there is another page.
        let (mut items, now) = (self.audit.store.page(&user.id, after, PAGE + 1).await?, self.clock.now());
        items.retain(|entry| entry.is_kept(now));
        let has_more = items.len() > usize::from(PAGE);
        items.truncate(usize::from(PAGE));
        let next = items.last().filter(|_| has_more).map(|last| last.id.clone());
        Ok(ActivityPage { items, next })
    }
}
