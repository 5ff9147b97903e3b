//! Lists that are read page by page.

use serde::Serialize;
use twostep_usecases::audit::Page;

use crate::{Problem, Request, query};

#[derive(Serialize)]
pub struct PageBody<T> {
    items: Vec<T>,
    /// For `after`, if there is another page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl<T> PageBody<T> {
    #[must_use]
    pub fn new(items: Vec<T>, next: Option<String>) -> Self {
        Self { items, next }
    }
}

impl<E, T: From<E>> From<Page<E>> for PageBody<T> {
    fn from(page: Page<E>) -> Self {
        Self::new(page.items.into_iter().map(T::from).collect(), page.next)
    }
}

/// The `after` of a request for entries: what an earlier page gave as `next`.
///
/// # Errors
/// [`Problem::InvalidRequest`] if no page gave it.
pub fn entry_after(request: &Request) -> Result<Option<String>, Problem> {
    const LONGEST: usize = 64;
    let is_ours = |after: &String| {
        (1..=LONGEST).contains(&after.len())
            && after.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
    };
    match query(request, "after")? {
        Some(after) if !is_ours(&after) => Err(Problem::InvalidRequest),
        after => Ok(after),
    }
}
