//! The machine's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use twostep_domain::time::{Clock, Timestamp};

/// The only place that reads the machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        moved(Timestamp(i64::try_from(since_epoch().as_secs()).unwrap_or(i64::MAX)))
    }

    fn now_in_milliseconds(&self) -> i64 {
        self.now().0.saturating_mul(1_000).saturating_add(i64::from(since_epoch().subsec_millis()))
    }
}

#[expect(clippy::disallowed_methods, reason = "the real clock is made here and nowhere else")]
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Lets tests move the clock of a running stack. The file holds seconds to add (`90`) or the moment at which the clock
/// stands still (`=1800000000`), and is read at every look at the clock. Release builds do not contain this.
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
