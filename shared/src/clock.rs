//! Time as a parameter: rules take a [`Timestamp`], adapters take a [`Clock`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Whole seconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(span.as_secs()))
    }

    /// How long from `self` until `later`; zero when `later` is not later.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        Duration::from_secs(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }

    /// RFC 3339 in UTC, as every time in an answer is written.
    #[must_use]
    pub fn rfc3339(self) -> String {
        OffsetDateTime::from_unix_timestamp(self.0)
            .ok()
            .and_then(|moment| moment.format(&Rfc3339).ok())
            .unwrap_or_default()
    }
}

pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The one place that reads the machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the real clock is made here and nowhere else")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        moved(Timestamp(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)))
    }
}

/// Lets tests move the clock of a running stack. The file has seconds to add (`90`), or the moment at which the clock
/// stands (`=1800000000`), and is read at every look at the clock. No release build has this.
#[cfg(debug_assertions)]
fn moved(now: Timestamp) -> Timestamp {
    let read = || std::fs::read_to_string(std::env::var("CLOCK_OFFSET_FILE").ok()?).ok();
    let Some(text) = read() else { return now };
    let seconds = |text: &str| text.trim().parse::<i64>().unwrap_or(0);
    text.strip_prefix('=').map_or_else(|| Timestamp(now.0.saturating_add(seconds(&text))), |at| Timestamp(seconds(at)))
}

#[cfg(not(debug_assertions))]
fn moved(now: Timestamp) -> Timestamp {
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_rfc_3339_utc() {
        assert_eq!(Timestamp(1_700_000_000).rfc3339(), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn a_span_to_the_past_is_zero() {
        assert_eq!(Timestamp(10).until(Timestamp(7)), Duration::ZERO);
        assert_eq!(Timestamp(7).until(Timestamp(10)), Duration::from_secs(3));
    }
}
