//! Rate limits on messages. Each is exact in any hour or day that ends now.

use serde::{Deserialize, Serialize};

use crate::{
    challenge::PurposeName,
    rate_limit::RateLimit,
    time::{DAY, HOUR},
};

/// A limit is a list of moments in one item.
const MOST: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Messages asked for from one client IP (an IPv4 address or one /64 of IPv6), resends included: stops one machine.
    #[serde(rename = "address_hour")]
    pub client_ip_hour: usize,
    #[serde(rename = "address_day")]
    pub client_ip_day: usize,
    /// Messages to one range of numbers: stops an attacker who owns a range.
    pub prefix_hour: usize,
    /// Messages to one number: stops callers from using the service to annoy a number. See [`Self::of_number`].
    pub number_day: usize,
    /// Verifications requested by one client that names no client IPs of its users: bounds what a stolen secret can order.
    pub client_hour: usize,
}

impl Limits {
    #[must_use]
    pub fn of_client_ip(&self) -> [RateLimit; 2] {
        [RateLimit { most: self.client_ip_hour, window: HOUR }, RateLimit { most: self.client_ip_day, window: DAY }]
    }

    #[must_use]
    pub fn of_client(&self) -> RateLimit {
        RateLimit { most: self.client_hour, window: HOUR }
    }

    #[must_use]
    pub fn of_prefix(&self) -> RateLimit {
        RateLimit { most: self.prefix_hour, window: HOUR }
    }

    /// How many messages a number gets for this purpose in a day. Each purpose is counted by itself: what a stranger can
    /// ask for must not depend on what the owner did, and must not use up what the owner needs.
    #[must_use]
    pub fn of_number(&self, purpose: PurposeName) -> RateLimit {
        let most = match purpose {
            PurposeName::Register | PurposeName::Profile => self.number_day.div_ceil(3),
            PurposeName::Login | PurposeName::Reset | PurposeName::Verification => (self.number_day * 2).div_ceil(3),
            PurposeName::SecondStep | PurposeName::ResetSecondStep => (self.number_day / 2).max(1),
            // Emails are limited by their address.
            PurposeName::Notice | PurposeName::Email => self.number_day,
        };
        RateLimit { most, window: DAY }
    }

    /// Whether every limit is in its range.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let limits = [self.client_ip_hour, self.client_ip_day, self.prefix_hour, self.number_day, self.client_hour];
        limits.iter().all(|most| (1..=MOST).contains(most))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { client_ip_hour: 60, client_ip_day: 300, prefix_hour: 20, number_day: 15, client_hour: 1_000 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_has_its_own_share_of_a_number_s_messages() {
        let of = |number_day: usize| {
            let limits = Limits { number_day, ..Limits::default() };
            [
                PurposeName::Register,
                PurposeName::Profile,
                PurposeName::Login,
                PurposeName::SecondStep,
                PurposeName::Notice,
            ]
            .map(|purpose| limits.of_number(purpose).most)
        };
        assert_eq!(of(15), [5, 5, 10, 7, 15]);
        assert_eq!(of(1), [1; 5], "none is locked out altogether");
    }
}
