//! Faults: ways in which the provider misbehaves on demand.

use axum::http::{HeaderMap, header};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    None,
    Slow,
    Hang,
    DropAfterAccept,
    ConnectionReset,
    #[serde(rename = "unavailable_503")]
    Unavailable503,
    RateLimited,
    BadKey,
    NoCredit,
    InvalidDestination,
    OptedOut,
    #[serde(rename = "unknown_error_999")]
    UnknownError999,
    #[serde(rename = "html_502")]
    Html502,
    #[serde(rename = "error_with_200")]
    ErrorWith200,
    DeliveryFailed,
    DuplicateCallbacks,
    LateCallbacks,
    /// Accepts the message at once and answers late, so that delivery reports can be faster.
    LateAnswer,
    /// Sends no delivery reports. The inbox page's buttons send them instead.
    NoCallbacks,
}

/// What a fault can be limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    Sms,
    /// The hook of a sender.
    Hook,
    Email,
}

/// The fault, the number or address that it affects (all if `None`), and how many times (without limit if `None`).
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub mode: Mode,
    #[serde(default)]
    to: Option<String>,
    /// Limits the fault to messages or to emails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channel: Option<Channel>,
    #[serde(default)]
    count: Option<u32>,
    /// Limits the fault to requests with this API key, for example with `bad_key`.
    #[serde(default)]
    key: Option<String>,
}

impl Fault {
    /// Returns the fault for one request, and whether the request used up one of its `count`.
    pub fn strike(&mut self, channel: Channel, to: &str, headers: &HeaderMap) -> (Mode, bool) {
        let same = |meant: &str| meant.trim_start_matches('+').eq_ignore_ascii_case(to.trim_start_matches('+'));
        let is_meant = self.to.as_deref().is_none_or(same) && self.channel.is_none_or(|meant| meant == channel);
        let key = headers.get(header::AUTHORIZATION);
        let is_key_meant = self.key.as_deref().is_none_or(|meant| key.is_some_and(|key| key == meant));
        if !is_meant || !is_key_meant {
            return (Mode::None, false);
        }
        let mode = self.mode;
        let Some(count) = &mut self.count else { return (mode, false) };
        *count = count.saturating_sub(1);
        if *count == 0 {
            *self = Self::default();
        }
        (mode, true)
    }
}
