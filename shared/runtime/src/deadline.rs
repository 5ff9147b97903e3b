//! The moment at which Lambda stops a function. A function answers before that, so that an outage ends as its own response
//! and not as the gateway's.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline of an invocation, as its Lambda context gives it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "Lambda's deadline is a time of the machine's clock")]
    pub fn at(end: SystemTime) -> Self {
        Self::after(end.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// The deadline after `left`.
    #[must_use]
    pub fn after(left: Duration) -> Self {
        Self(Instant::now() + left)
    }

    /// The moment at which only `rest` is left.
    #[must_use]
    pub fn leaving(self, rest: Duration) -> Instant {
        self.0.checked_sub(rest).unwrap_or_else(Instant::now)
    }

    /// Whether at least `rest` is left.
    #[must_use]
    pub fn leaves(self, rest: Duration) -> bool {
        self.0.saturating_duration_since(Instant::now()) >= rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_counted_to_the_deadline() {
        let deadline = Deadline::after(Duration::from_secs(10));
        assert!(deadline.leaves(Duration::from_secs(9)) && !deadline.leaves(Duration::from_secs(11)));
        assert!(deadline.leaving(Duration::from_secs(1)) > Instant::now() + Duration::from_secs(8));
        let past = Deadline::at(SystemTime::UNIX_EPOCH);
        assert!(!past.leaves(Duration::from_millis(1)));
    }
}
