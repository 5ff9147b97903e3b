//! Messages and money, and what the usage shows of one country on one day.

use std::collections::BTreeMap;

use crate::{challenge::DeliveryFailure, sender::SenderKind};

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
    /// Taken, by sender.
    pub sent_by: BTreeMap<String, u64>,
    /// Not taken, by sender.
    pub refused_by: BTreeMap<String, u64>,
    /// For test numbers; nothing was sent.
    pub tests: u64,
}

impl Counts {
    /// Adds the figures that the operator's usage shows.
    pub fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.spent += other.spent;
        self.verified += other.verified;
        self.sign_ins += other.sign_ins;
        self.delivered += other.delivered;
        self.tests += other.tests;
        let counted = [
            (&mut self.failed, &other.failed),
            (&mut self.sent_by, &other.sent_by),
            (&mut self.refused_by, &other.refused_by),
        ];
        for (own, others) in counted {
            for (name, count) in others {
                *own.entry(name.clone()).or_default() += count;
            }
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
    /// A sender took it, or perhaps.
    SentBy(SenderKind),
    /// A sender did not take it.
    RefusedBy(SenderKind),
    /// It was for a test number, and nothing was sent.
    Test,
}
