//! One value in memory: loaded when it is first needed, then shared until it is too old.

use std::{fmt::Display, sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::timeout};
use twostep_domain::time::Timestamp;

/// What to do with a value that is too old when no newer one can be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Fail: using the old value could be wrong.
    Refuse,
    /// Keep using it for so long after it was loaded.
    ServeFor(Duration),
    /// Keep using it: an old value is better than none.
    Serve,
}

pub struct Cached<T> {
    fresh_for: Duration,
    stale: Stale,
    slot: Mutex<Slot<T>>,
}

struct Slot<T> {
    value: Option<(Timestamp, Arc<T>)>,
    /// Loading has failed, and while a stale value may be served, no caller tries again before this moment.
    retry_at: Timestamp,
}

impl<T> Slot<T> {
    fn fill(&mut self, now: Timestamp, value: T) -> Arc<T> {
        let value = Arc::new(value);
        *self = Self { value: Some((now, Arc::clone(&value))), retry_at: Timestamp::default() };
        value
    }

    /// The value, if it may still be used at `now`.
    fn stale(&self, stale: Stale, now: Timestamp) -> Option<Arc<T>> {
        let (loaded_at, value) = self.value.as_ref()?;
        let is_served = match stale {
            Stale::Refuse => false,
            Stale::ServeFor(age) => now < loaded_at.plus(age),
            Stale::Serve => true,
        };
        is_served.then(|| Arc::clone(value))
    }
}

impl<T> Cached<T> {
    /// How long a caller waits for a newer value while there is one that may be served.
    const PATIENCE: Duration = Duration::from_millis(500);
    /// How long a stale value is served before loading is tried again.
    const PAUSE: Duration = Duration::from_secs(10);

    #[must_use]
    pub fn new(fresh_for: Duration, stale: Stale) -> Self {
        Self { fresh_for, stale, slot: Mutex::new(Slot { value: None, retry_at: Timestamp::default() }) }
    }

    /// The value at `now`. If it is too old, one caller awaits `load` for all.
    ///
    /// # Errors
    /// Those of `load`, unless there is a stale value that may be served.
    pub async fn get<E: Display>(&self, now: Timestamp, load: impl Future<Output = Result<T, E>>) -> Result<Arc<T>, E> {
        self.get_with(self.stale, now, load).await
    }

    /// [`Self::get`] for a caller that may use older values than others.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn get_with<E: Display>(
        &self,
        stale: Stale,
        now: Timestamp,
        load: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        let mut slot = self.slot.lock().await;
        if let Some((loaded_at, value)) = &slot.value
            && now < loaded_at.plus(self.fresh_for)
        {
            return Ok(Arc::clone(value));
        }
        let Some(stale) = slot.stale(stale, now) else {
            let value = load.await?;
            return Ok(slot.fill(now, value));
        };
        if now < slot.retry_at {
            return Ok(stale);
        }
        match timeout(Self::PATIENCE, load).await {
            Ok(Ok(value)) => return Ok(slot.fill(now, value)),
            Ok(Err(error)) => tracing::warn!(%error, "a cached value could not be refreshed and stays in use"),
            Err(_) => tracing::warn!("a cached value was not refreshed in time and stays in use"),
        }
        slot.retry_at = now.plus(Self::PAUSE);
        Ok(stale)
    }

    /// Loads the value again, whatever its age. If that fails, the present one stays.
    ///
    /// # Errors
    /// Those of `load`.
    pub async fn renew<E>(&self, now: Timestamp, load: impl Future<Output = Result<T, E>>) -> Result<Arc<T>, E> {
        let value = load.await?;
        Ok(self.slot.lock().await.fill(now, value))
    }

    /// Drops the value, so that the next caller loads a new one.
    pub async fn forget(&self) {
        self.slot.lock().await.value = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

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
        assert_eq!(at(&cached, 100, Ok(2)).await, Ok(2));
        cached.forget().await;
        assert_eq!(at(&cached, 100, Err("away")).await, Err("away"));
    }

    #[tokio::test]
    async fn a_caller_may_use_older_values_than_others_for_a_while() {
        let cached = Cached::new(Duration::from_secs(30), Stale::Refuse);
        let (now, away) = (Timestamp, async || Err::<u8, _>("away"));
        let for_a_minute = Stale::ServeFor(Duration::from_secs(60));
        assert_eq!(at(&cached, 0, Ok(1)).await, Ok(1));
        assert_eq!(cached.get_with(for_a_minute, now(59), away()).await.as_deref(), Ok(&1));
        assert_eq!(at(&cached, 59, Err("away")).await, Err("away"));
        assert_eq!(cached.get_with(for_a_minute, now(60), away()).await, Err("away"));
    }

    #[tokio::test]
    async fn while_a_stale_value_is_served_loading_is_tried_now_and_then_and_not_by_every_caller() {
        let cached = Cached::new(Duration::from_secs(30), Stale::Serve);
        let tries = AtomicUsize::new(0);
        let load = async || {
            tries.fetch_add(1, Ordering::Relaxed);
            Err::<u8, _>("away")
        };
        at(&cached, 0, Ok(1)).await.unwrap();
        for now in [30, 30, 35, 39] {
            assert_eq!(cached.get(Timestamp(now), load()).await.as_deref(), Ok(&1));
        }
        assert_eq!(tries.load(Ordering::Relaxed), 1);
        assert_eq!(cached.get(Timestamp(40), load()).await.as_deref(), Ok(&1));
        assert_eq!(tries.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_load_that_hangs_does_not_hold_up_the_use_of_a_stale_value() {
        let cached = Cached::new(Duration::from_secs(30), Stale::Serve);
        at(&cached, 0, Ok(1)).await.unwrap();
        let begun = tokio::time::Instant::now();
        let never = std::future::pending::<Result<u8, &str>>();
        let got = timeout(Duration::from_secs(30), cached.get(Timestamp(30), never)).await;
        assert_eq!(got.expect("in time").as_deref(), Ok(&1));
        assert!(begun.elapsed() >= Cached::<u8>::PATIENCE);
    }

    #[tokio::test]
    async fn what_cannot_be_renewed_stays() {
        let cached = Cached::new(Duration::from_secs(30), Stale::Refuse);
        at(&cached, 0, Ok(1)).await.unwrap();
        assert_eq!(cached.renew(Timestamp(1), async { Err("away") }).await, Err("away"));
        assert_eq!(at(&cached, 2, Err("away")).await, Ok(1));
        assert_eq!(cached.renew(Timestamp(2), async { Ok::<_, &str>(2) }).await.as_deref(), Ok(&2));
    }
}
