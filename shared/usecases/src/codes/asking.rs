//! A request for a message, as its client IP counted it.

use std::time::Duration;

use twostep_domain::time::Timestamp;

pub(crate) struct Asking {
    /// The entry in the client IP's sliding window.
    pub counted: Option<(String, Timestamp)>,
    /// The limit is reached: one more message is allowed after this time.
    pub refused: Option<Duration>,
    /// Whether the breaker weighs the person who is asked.
    pub weighed: bool,
}

impl Asking {
    /// A request that no client IP counts.
    pub(crate) fn uncounted() -> Self {
        Self { counted: None, refused: None, weighed: true }
    }
}
