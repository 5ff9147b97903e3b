//! Messages and money, and what the usage shows of one country on one day.

use std::collections::BTreeMap;

use crate::challenge::DeliveryFailure;

/// Messages and what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    pub messages: u64,
    /// In millionths of the currency.
    pub spent: u64,
}

impl Spent {
    #[must_use]
    pub(super) fn plus(self, price: u64) -> Self {
        Self { messages: self.messages + 1, spent: self.spent.saturating_add(price) }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reserved and not released: sent, or perhaps sent.
    pub messages: u64,
    /// In millionths of the currency.
    pub spent: u64,
    /// Correct codes of new numbers: what is usual, for the breaker.
    pub answered_by_new: u64,
    /// Correct codes.
    pub verified: u64,
    /// Correct codes that sign a user in or let them register.
    pub sign_ins: u64,
    pub delivered: u64,
    /// By reason.
    pub failed: BTreeMap<String, u64>,
}

impl Counts {
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

/// Something that happened to a message, for the usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageEvent {
    Delivered {
        /// What was reported, and counted, before.
        failed: Option<DeliveryFailure>,
    },
    Failed(DeliveryFailure),
}
