//! What every request needs and nobody may use for long: read once, then shared for 30 seconds.

use std::{sync::Arc, time::Duration};

use tokio::sync::Mutex;

use crate::clock::Timestamp;

pub struct Cached<T>(Mutex<Option<(Timestamp, Arc<T>)>>);

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Cached<T> {
    const FRESH_FOR: Duration = Duration::from_secs(30);

    /// The value, at most 30 seconds old at `now`. An older one is not used, whatever happens: `load` is awaited first, by one
    /// caller for all.
    ///
    /// # Errors
    /// Those of `load`.
    pub async fn get<E>(&self, now: Timestamp, load: impl Future<Output = Result<T, E>>) -> Result<Arc<T>, E> {
        let mut cached = self.0.lock().await;
        if let Some((read_at, value)) = &*cached
            && now < read_at.plus(Self::FRESH_FOR)
        {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(load.await?);
        *cached = Some((now, Arc::clone(&value)));
        Ok(value)
    }

    pub async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn at(cached: &Cached<u8>, now: i64, load: Result<u8, &'static str>) -> Result<u8, &'static str> {
        cached.get(Timestamp(now), async { load }).await.map(|value| *value)
    }

    #[tokio::test]
    async fn a_value_is_used_for_thirty_seconds_and_no_longer_even_if_there_is_no_newer() {
        let cached = Cached::default();
        assert_eq!(at(&cached, 0, Err("away")).await, Err("away"));
        assert_eq!(at(&cached, 0, Ok(1)).await, Ok(1));
        assert_eq!(at(&cached, 29, Ok(2)).await, Ok(1));
        assert_eq!(at(&cached, 30, Err("away")).await, Err("away"));
        assert_eq!(at(&cached, 30, Ok(3)).await, Ok(3));
        cached.forget().await;
        assert_eq!(at(&cached, 30, Ok(4)).await, Ok(4));
    }
}
