//! One value in memory: loaded when it is first needed, then shared until it is too old.

use std::{fmt::Display, sync::Arc, time::Duration};

use tokio::sync::Mutex;
use twostep_domain::time::Timestamp;

/// What to do with a value that is too old when no newer one can be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Fail: using the old value could be wrong.
    Refuse,
    /// Keep using it: an old value is better than none.
    Serve,
}

pub struct Cached<T> {
    fresh_for: Duration,
    stale: Stale,
    value: Mutex<Option<(Timestamp, Arc<T>)>>,
}

impl<T> Cached<T> {
    #[must_use]
    pub fn new(fresh_for: Duration, stale: Stale) -> Self {
        Self { fresh_for, stale, value: Mutex::new(None) }
    }

    /// The value at `now`. If it is too old, one caller awaits `load` for all.
    ///
    /// # Errors
    /// Those of `load`, unless there is a stale value that may be served.
    pub async fn get<E: Display>(&self, now: Timestamp, load: impl Future<Output = Result<T, E>>) -> Result<Arc<T>, E> {
        let mut cached = self.value.lock().await;
        if let Some((read_at, value)) = &*cached
            && now < read_at.plus(self.fresh_for)
        {
            return Ok(Arc::clone(value));
        }
        match (load.await, &*cached) {
            (Ok(value), _) => {
                let value = Arc::new(value);
                *cached = Some((now, Arc::clone(&value)));
                Ok(value)
            }
            (Err(error), Some((_, stale))) if self.stale == Stale::Serve => {
                tracing::warn!(%error, "a cached value could not be refreshed and stays in use");
                Ok(Arc::clone(stale))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Drops the value, so that the next caller loads a new one.
    pub async fn forget(&self) {
        *self.value.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn at(cached: &Cached<u8>, now: i64, load: Result<u8, &'static str>) -> Result<u8, &'static str> {
        cached.get(Timestamp(now), async { load }).await.map(|value| *value)
    }

    #[tokio::test]
    async fn a_value_is_used_until_it_is_too_old() {
        let cached = Cached::new(Duration::from_secs(30), Stale::Refuse);
        assert_eq!(at(&cached, 0, Err("away")).await, Err("away"));
        assert_eq!(at(&cached, 0, Ok(1)).await, Ok(1));
        assert_eq!(at(&cached, 29, Ok(2)).await, Ok(1));
        assert_eq!(at(&cached, 30, Err("away")).await, Err("away"));
        assert_eq!(at(&cached, 30, Ok(3)).await, Ok(3));
        cached.forget().await;
        assert_eq!(at(&cached, 30, Ok(4)).await, Ok(4));
    }

    #[tokio::test]
    async fn a_stale_value_is_served_only_where_that_is_allowed_and_until_it_is_forgotten() {
        let cached = Cached::new(Duration::from_secs(30), Stale::Serve);
        assert_eq!(at(&cached, 0, Ok(1)).await, Ok(1));
        assert_eq!(at(&cached, 90, Err("away")).await, Ok(1));
        assert_eq!(at(&cached, 90, Ok(2)).await, Ok(2));
        cached.forget().await;
        assert_eq!(at(&cached, 90, Err("away")).await, Err("away"));
    }
}
