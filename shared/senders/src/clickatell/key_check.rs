//! Whether a key works.

/// What Clickatell says about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyCheck {
    Accepted,
    Rejected,
    /// No response, or one that says neither.
    Unavailable,
}
