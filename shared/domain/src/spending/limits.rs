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
    /// Codes requested from one client IP (an IPv4 address or one /64 of IPv6): stops one machine.
    #[serde(rename = "address_hour")]
    pub client_ip_hour: usize,
    #[serde(rename = "address_day")]
    pub client_ip_day: usize,
    /// Messages to one range of numbers: stops an attacker who owns a range.
    pub prefix_hour: usize,
    /// Messages to one number over all purposes: stops callers from using the service to annoy a number.
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

    /// A number's messages are shared out in thirds, so that a stranger can ask for some of them and never for those that
    /// the owner needs to sign in: registrations get one third, sign-ins and resets by phone and verifications for clients
    /// two.
    #[must_use]
    pub fn of_number(&self, purpose: PurposeName) -> RateLimit {
        let thirds = match purpose {
            PurposeName::Register => 1,
            PurposeName::Login | PurposeName::Reset | PurposeName::Verification => 2,
            PurposeName::SecondStep
            | PurposeName::Profile
            | PurposeName::Email
            | PurposeName::ResetSecondStep
            | PurposeName::Notice => 3,
        };
        RateLimit { most: (self.number_day * thirds).div_ceil(3), window: DAY }
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
        Self { client_ip_hour: 10, client_ip_day: 50, prefix_hour: 20, number_day: 15, client_hour: 1_000 }
    }
}
