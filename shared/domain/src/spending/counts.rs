//! What was counted of one scope in one period.

use std::collections::BTreeMap;

use crate::{account::PhoneTrust, challenge::DeliveryFailure};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reserved and not released: sent, or perhaps sent.
    pub messages: u64,
    /// In millionths of the currency.
    pub spent: u64,
    /// Those of `messages` that went to new numbers, and to numbers verified less than a day ago.
    pub to_new: u64,
    pub to_verified: u64,
    /// Correct codes of each of the two.
    pub answered_by_new: u64,
    pub answered_by_verified: u64,
    /// Correct codes.
    pub verified: u64,
    /// Correct codes that sign a user in or let them register.
    pub sign_ins: u64,
    pub delivered: u64,
    /// By reason.
    pub failed: BTreeMap<String, u64>,
}

impl Counts {
    /// Messages to numbers of this trust whose code was not entered, or not yet. Established numbers are not watched.
    #[must_use]
    pub fn unanswered(&self, trust: PhoneTrust) -> u64 {
        match trust {
            PhoneTrust::New => self.to_new.saturating_sub(self.answered_by_new),
            PhoneTrust::Verified => self.to_verified.saturating_sub(self.answered_by_verified),
            PhoneTrust::Established => 0,
        }
    }

    /// Adds the figures that the operator's usage shows.
    pub fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.spent += other.spent;
        self.verified += other.verified;
        self.sign_ins += other.sign_ins;
        self.delivered += other.delivered;
        for (reason, count) in &other.failed {
            *self.failed.entry(reason.clone()).or_default() += count;
        }
    }
}

/// Something that happened to a message, for the usage and the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageEvent {
    Verified { signs_in: bool, trust: PhoneTrust },
    Delivered,
    Failed(DeliveryFailure),
}
