//! Remembered devices: browsers that may skip the second step.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    authentication_method::Method,
    time::{DAY, Timestamp},
};

/// A browser whose user asked to be remembered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Device {
    pub name: String,
    pub token_hash: String,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
    pub expires_at: Timestamp,
    /// How the second step was taken that made this browser trusted, and when.
    pub method: Method,
    pub mfa_time: Timestamp,
}

impl Device {
    /// How long a device is remembered.
    pub const LIFETIME: Duration = Duration::from_secs(30 * DAY.as_secs());

    #[must_use]
    pub fn remembered(name: String, token_hash: String, method: Method, now: Timestamp) -> Self {
        Self {
            name,
            token_hash,
            created_at: now,
            last_used_at: now,
            expires_at: now.plus(Self::LIFETIME),
            method,
            mfa_time: now,
        }
    }
}
