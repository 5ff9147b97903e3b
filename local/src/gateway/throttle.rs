//! Token buckets of the routes. AWS enforces throttles on a best-effort basis across many machines; here they are
//! exact.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

use crate::template::Throttle;

pub struct Throttles {
    routes: BTreeMap<String, Throttle>,
    default: Option<Throttle>,
    buckets: Mutex<HashMap<String, Bucket>>,
}

struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Throttles {
    #[must_use]
    pub fn new(routes: BTreeMap<String, Throttle>, default: Option<Throttle>) -> Self {
        Self { routes, default, buckets: Mutex::default() }
    }

    /// Takes one token from the route's bucket. Returns whether one was available.
    pub fn admits(&self, route_key: &str, now: Instant) -> bool {
        let Some(throttle) = self.routes.get(route_key).or(self.default.as_ref()) else { return true };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(route_key.to_owned()).or_insert(Bucket { tokens: throttle.burst, filled: now });
        let fresh = now.duration_since(bucket.filled).as_secs_f64() * throttle.rate;
        bucket.tokens = (bucket.tokens + fresh).min(throttle.burst);
        bucket.filled = now;
        let admits = bucket.tokens >= 1.0;
        if admits {
            bucket.tokens -= 1.0;
        }
        admits
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let slow = Throttle { rate: 5.0, burst: 10.0 };
        let throttles =
            Throttles::new([("GET /slow".to_owned(), slow)].into(), Some(Throttle { rate: 1.0, burst: 2.0 }));
        let start = Instant::now();
        let admitted = |key: &str, after: u64| {
            (0..100).filter(|_| throttles.admits(key, start + Duration::from_millis(after))).count()
        };
        assert_eq!(admitted("GET /slow", 0), 10);
        assert_eq!(admitted("GET /slow", 100), 0);
        assert_eq!(admitted("GET /slow", 1_000), 5);
        assert_eq!(admitted("GET /slow", 60_000), 10, "a bucket holds no more than its burst");
        assert_eq!(admitted("GET /other", 0), 2, "the default throttle, in its own bucket");
        assert_eq!(admitted("GET /third", 0), 2);
    }

    #[test]
    fn a_route_without_a_throttle_admits_everything() {
        let throttles = Throttles::new(BTreeMap::new(), None);
        assert!((0..1_000).all(|_| throttles.admits("GET /", Instant::now())));
    }
}
