//! Authenticators: what else than a phone proves that a user is who they say. Today, an app that shows time-based codes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    challenge::Sealed,
    ids::SessionId,
    time::{MINUTE, Timestamp},
};

/// One authenticator of an account. The account lists them by id, so a further kind is a further variant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Authenticator {
    Totp(Totp),
}

/// An app that shows time-based one-time codes (RFC 6238); `twostep_crypto::totp` makes and checks them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Totp {
    pub secret: Sealed,
    pub created_at: Timestamp,
    /// The latest time step whose code was accepted. Its code and earlier ones are not accepted again (RFC 6238 §5.2).
    pub last_step: u64,
}

/// A secret that the user's app has not proved to know yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingTotp {
    pub id: String,
    pub secret: Sealed,
    /// The session that asked. No other session can confirm it.
    pub session: SessionId,
    pub expires_at: Timestamp,
    pub attempts_left: usize,
}

impl PendingTotp {
    const LIFETIME: Duration = Duration::from_secs(10 * MINUTE.as_secs());
    const ATTEMPTS: usize = 5;

    #[must_use]
    pub fn new(id: String, secret: Sealed, session: SessionId, now: Timestamp) -> Self {
        Self { id, secret, session, expires_at: now.plus(Self::LIFETIME), attempts_left: Self::ATTEMPTS }
    }

    /// Whether `session` can still confirm it.
    #[must_use]
    pub fn is_open(&self, session: &SessionId, now: Timestamp) -> bool {
        self.session == *session && now < self.expires_at && self.attempts_left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pending_secret_belongs_to_its_session_for_ten_minutes() {
        let (mine, other) = (SessionId::from_stored("mine"), SessionId::from_stored("other"));
        let pending = PendingTotp::new("a".into(), Sealed("x".into()), mine.clone(), Timestamp(1_000));
        assert!(pending.is_open(&mine, Timestamp(1_599)));
        assert!(!pending.is_open(&mine, Timestamp(1_600)) && !pending.is_open(&other, Timestamp(1_000)));
        assert!(!PendingTotp { attempts_left: 0, ..pending }.is_open(&mine, Timestamp(1_000)));
    }

    #[test]
    fn an_authenticator_is_read_back() {
        let totp = Totp { secret: Sealed("x".into()), created_at: Timestamp(1), last_step: 2 };
        let stored = serde_json::to_value(Authenticator::Totp(totp)).unwrap();
        assert_eq!(stored["kind"], "totp");
        let Authenticator::Totp(read) = serde_json::from_value(stored).unwrap();
        assert_eq!(read.last_step, 2);
    }
}
