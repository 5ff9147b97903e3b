//! Exact sliding-window limits: at most so many events in any window that ends now.

use std::time::Duration;

use crate::time::Timestamp;

/// At most `most` events within `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    pub most: usize,
    pub window: Duration,
}

impl RateLimit {
    /// The earliest moment at which one more event keeps to the limit, given the earlier events, newest first.
    pub fn free_at<'a>(&self, newest_first: impl IntoIterator<Item = &'a Timestamp>) -> Timestamp {
        let Some(place) = self.most.checked_sub(1) else { return Timestamp(i64::MAX) };
        newest_first.into_iter().nth(place).map_or_else(Timestamp::default, |event| event.plus(self.window))
    }
}

/// Drops the events that no window of this length reaches any more at `now`.
pub fn forget_older_than(window: Duration, events: &mut Vec<Timestamp>, now: Timestamp) {
    events.retain(|event| event.plus(window) > now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{DAY, HOUR};

    #[test]
    fn one_more_is_allowed_once_the_oldest_event_that_counts_has_left_the_window() {
        let (hour, day) = (RateLimit { most: 2, window: HOUR }, RateLimit { most: 3, window: DAY });
        let free_at = |times: &[i64]| {
            let times: Vec<Timestamp> = times.iter().copied().map(Timestamp).collect();
            hour.free_at(&times).max(day.free_at(&times))
        };
        assert_eq!(free_at(&[]), Timestamp::default());
        assert_eq!(free_at(&[500]), Timestamp::default());
        assert_eq!(free_at(&[500, 100]), Timestamp(100 + 3_600));
        assert_eq!(free_at(&[500, 100, 50]), Timestamp(50 + 86_400));
    }

    #[test]
    fn a_limit_of_zero_is_never_free() {
        assert_eq!(RateLimit { most: 0, window: HOUR }.free_at(&[]), Timestamp(i64::MAX));
    }
}
