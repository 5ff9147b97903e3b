//! The challenge as a state machine: pure functions of (challenge, now, policy) that give the next challenge or a
//! refusal. They know nothing of AWS; [`super::store`] saves what they return by compare-and-swap.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ChallengeKey, Sealed};
use crate::{clock::Timestamp, spending::Failure};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The limits of one challenge, that is of one (purpose, subject, phone).
#[derive(Clone, Debug)]
pub struct Policy {
    /// How long a code is accepted. NIST SP 800-63B-4 §3.1.3.2 allows ten minutes.
    pub code_life: Duration,
    /// A code with less than this left is not sent again: it would expire in the reader's hand.
    pub least_life: Duration,
    /// Stops guessing one code.
    pub guesses_per_code: usize,
    /// Stops guessing by asking for new codes (NIST SP 800-63B-4 §3.2.2).
    pub failures_per_day: usize,
    /// The wait after the first message; it doubles with each further one. Stops using the service to annoy a number.
    pub first_cooldown: Duration,
    pub longest_cooldown: Duration,
    /// Stop spending on one number.
    pub sends_per_hour: usize,
    pub sends_per_day: usize,
    /// How long a send that was begun may stay without a result before it counts as lost.
    pub send_patience: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            code_life: Duration::from_secs(5 * 60),
            least_life: Duration::from_secs(60),
            guesses_per_code: 5,
            failures_per_day: 20,
            first_cooldown: Duration::from_secs(60),
            longest_cooldown: Duration::from_secs(1920),
            sends_per_hour: 5,
            sends_per_day: 10,
            send_patience: Duration::from_secs(60),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Open,
    Used,
}

/// Where the present message is on its way, as stored. Clients see [`DeliveryReport`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// To be sent; the stream's filter looks for this word.
    Pending,
    /// The provider said "later"; the record in the stream is tried again.
    Deferred,
    /// Handed to the provider, no answer yet.
    Sending,
    /// The provider never answered: it may or may not have been sent.
    Unknown,
    /// Accepted by the provider.
    Sent,
    /// Refused by the provider or reported as failed.
    Failed,
    /// Reported as received by the handset.
    Delivered,
}

impl Delivery {
    /// News moves a message forward only: a late "sent" does not undo "delivered".
    fn may_become(self, next: Self) -> bool {
        match next {
            Self::Pending => false,
            Self::Deferred | Self::Unknown => self == Self::Sending,
            Self::Sending => matches!(self, Self::Pending | Self::Deferred),
            Self::Sent => matches!(self, Self::Sending | Self::Unknown),
            Self::Failed | Self::Delivered => matches!(self, Self::Sending | Self::Unknown | Self::Sent),
        }
    }
}

/// Where the message is on its way, as clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryReport {
    Pending,
    Sent,
    Delivered,
    Failed,
    Unknown,
}

/// One item of the `codes` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    #[serde(rename = "id")]
    pub key: ChallengeKey,
    /// The version this was read at; 0 for a challenge that is not in the table yet.
    pub version: u64,
    /// The number of the present code. Ids of earlier codes are dead.
    pub issue: u64,
    pub sealed: Sealed,
    pub state: State,
    pub expires_at: Timestamp,
    pub attempts_left: usize,
    /// When messages were asked for, oldest first, of the last 24 hours. Decoys count like real ones.
    pub sends: Vec<Timestamp>,
    /// When wrong codes were entered, oldest first, of the last 24 hours.
    pub failures: Vec<Timestamp>,
    /// Messages since the last success: the exponent of the cooldown.
    pub streak: u32,
    /// The number of the present message over the challenge's whole life.
    pub send_number: u64,
    pub delivery: Delivery,
    pub delivery_changed_at: Timestamp,
    /// Why `delivery` is [`Delivery::Failed`], while it is.
    #[serde(default)]
    pub failure: Option<Failure>,
    /// Looks like a challenge from outside; no message is sent and no code is right.
    pub decoy: bool,
    /// When DynamoDB may delete the item. It does so hours late, so no rule relies on it.
    pub ttl: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The code was entered before.
    Used,
    Expired,
    /// Wrong codes have used up the guesses; a new code can be had at `until`.
    TooManyAttempts {
        until: Timestamp,
    },
    /// No message before `until`.
    TooManyCodes {
        until: Timestamp,
    },
}

/// What asking for a code leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// A code is alive and it is too early to send it again.
    Alive,
    /// A new code, or the same one again: save this and it will be sent.
    Send(Challenge),
}

/// What a guess leads to. Nothing is told to anyone before `next` is saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Right { next: Challenge },
    Wrong { next: Challenge, attempts_left: usize },
}

/// Who asks for a code, as far as the rules care.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub decoy: bool,
    /// Whether the number belongs to the same account as when the present code was made.
    pub same_holder: bool,
}

impl Challenge {
    /// Asks for a code. While one is alive it is never replaced, only sent again, so a second tab or a late duplicate
    /// message does no harm. `seal` makes and seals a new code, given the number of its issue.
    ///
    /// # Errors
    /// [`Refusal::TooManyCodes`] when no code is alive and a new one may not be sent yet.
    pub fn start(
        present: Option<&Self>,
        key: &ChallengeKey,
        ask: Ask,
        now: Timestamp,
        policy: &Policy,
        seal: impl FnOnce(u64) -> Sealed,
    ) -> Result<Start, Refusal> {
        let Some(present) = present else {
            return Ok(Start::Send(Self::blank(key, now).with_new_code(ask.decoy, now, policy, seal)));
        };
        let alive = present.is_alive(now, policy);
        let send_at = if alive && !ask.same_holder {
            // The number changed hands: its new holder must not wait for a cooldown that another started.
            present.quota_free_at(policy)
        } else {
            present.resend_at(policy)
        };
        if alive && ask.same_holder {
            return Ok(if send_at > now { Start::Alive } else { Start::Send(present.with_send(now, policy)) });
        }
        let until = send_at.max(present.unlocked_at(policy));
        if until > now {
            return Err(Refusal::TooManyCodes { until });
        }
        Ok(Start::Send(present.with_new_code(ask.decoy, now, policy, seal)))
    }

    /// A message without a question: it is sent like a code and can be answered by none. `key` is its own.
    #[must_use]
    pub fn notice(key: &ChallengeKey, sealed: Sealed, now: Timestamp, policy: &Policy) -> Self {
        let notice = Self { sealed, expires_at: now.plus(policy.code_life), ..Self::blank(key, now) };
        notice.with_send(now, policy)
    }

    fn blank(key: &ChallengeKey, now: Timestamp) -> Self {
        Self {
            key: key.clone(),
            version: 0,
            issue: 0,
            sealed: Sealed(String::new()),
            state: State::Open,
            expires_at: now,
            attempts_left: 0,
            sends: Vec::new(),
            failures: Vec::new(),
            streak: 0,
            send_number: 0,
            delivery: Delivery::Pending,
            delivery_changed_at: now,
            failure: None,
            decoy: false,
            ttl: now,
        }
    }

    /// Asks for the same code once more.
    ///
    /// # Errors
    /// [`Refusal::Used`], [`Refusal::Expired`], or [`Refusal::TooManyCodes`] before the cooldown's end.
    pub fn resend(&self, now: Timestamp, policy: &Policy) -> Result<Self, Refusal> {
        if self.state == State::Used {
            return Err(Refusal::Used);
        }
        if self.expires_at < now.plus(policy.least_life) {
            return Err(Refusal::Expired);
        }
        let until = self.resend_at(policy).max(self.unlocked_at(policy));
        if until > now {
            return Err(Refusal::TooManyCodes { until });
        }
        // Wrong guesses have used the code up: the way on is a new one.
        if !self.is_alive(now, policy) {
            return Err(Refusal::Expired);
        }
        Ok(self.with_send(now, policy))
    }

    /// Judges a guess. `matches` tells whether it equals the sealed code; a decoy has no right code.
    ///
    /// # Errors
    /// [`Refusal::Used`], [`Refusal::Expired`], or [`Refusal::TooManyAttempts`]: the guess was not even looked at.
    pub fn verify(&self, matches: bool, now: Timestamp, policy: &Policy) -> Result<Verdict, Refusal> {
        if self.state == State::Used {
            return Err(Refusal::Used);
        }
        if now >= self.expires_at {
            return Err(Refusal::Expired);
        }
        if self.attempts_left == 0 || self.unlocked_at(policy) > now {
            return Err(Refusal::TooManyAttempts { until: self.resend_at(policy).max(self.unlocked_at(policy)) });
        }
        let mut next = self.clone();
        if matches && !self.decoy {
            next.state = State::Used;
            next.failures.clear();
            next.streak = 0;
            return Ok(Verdict::Right { next });
        }
        next.forget_before(now);
        next.failures.push(now);
        next.attempts_left = self.attempts_left - 1;
        next.ttl = ttl(now);
        let left_today = policy.failures_per_day.saturating_sub(next.failures.len());
        let attempts_left = next.attempts_left.min(left_today);
        Ok(Verdict::Wrong { next, attempts_left })
    }

    /// Claims message `send_number` for sending. `None` when there is nothing to send: another message has taken its
    /// place, it was sent already, or its code is of no use any more.
    #[must_use]
    pub fn claim_send(&self, send_number: u64, now: Timestamp) -> Option<Self> {
        let useful =
            self.state == State::Open && !self.decoy && now < self.expires_at && self.send_number == send_number;
        (useful && self.delivery.may_become(Delivery::Sending)).then(|| self.with_delivery(Delivery::Sending, now))
    }

    /// Takes in news of message `send_number`. `None` when it is no news: of an earlier message, or a step back.
    #[must_use]
    pub fn record_delivery(&self, send_number: u64, news: Delivery, now: Timestamp) -> Option<Self> {
        let is_news = self.send_number == send_number && self.delivery.may_become(news);
        is_news.then(|| self.with_delivery(news, now))
    }

    /// Takes in that message `send_number` was not sent or did not arrive, and why. `None` when that is no news.
    #[must_use]
    pub fn record_failure(&self, send_number: u64, failure: Failure, now: Timestamp) -> Option<Self> {
        let failed = self.record_delivery(send_number, Delivery::Failed, now)?;
        Some(Self { failure: Some(failure), ..failed })
    }

    /// Where the present message is, as far as anyone can tell at `now`.
    #[must_use]
    pub fn delivery_report(&self, now: Timestamp, policy: &Policy) -> DeliveryReport {
        match self.delivery {
            Delivery::Pending | Delivery::Deferred if now >= self.expires_at => DeliveryReport::Failed,
            Delivery::Sending if now >= self.delivery_changed_at.plus(policy.send_patience) => DeliveryReport::Unknown,
            Delivery::Pending | Delivery::Deferred | Delivery::Sending => DeliveryReport::Pending,
            Delivery::Unknown => DeliveryReport::Unknown,
            Delivery::Sent => DeliveryReport::Sent,
            Delivery::Failed => DeliveryReport::Failed,
            Delivery::Delivered => DeliveryReport::Delivered,
        }
    }

    /// The earliest moment at which another message is allowed.
    #[must_use]
    pub fn resend_at(&self, policy: &Policy) -> Timestamp {
        let cooled_down = match (self.sends.last(), self.streak) {
            (Some(last), 0) => *last,
            (Some(last), streak) => last.plus(cooldown(streak, policy)),
            (None, _) => Timestamp::default(),
        };
        cooled_down.max(self.quota_free_at(policy))
    }

    fn quota_free_at(&self, policy: &Policy) -> Timestamp {
        free_at(&self.sends, policy.sends_per_hour, HOUR).max(free_at(&self.sends, policy.sends_per_day, DAY))
    }

    fn unlocked_at(&self, policy: &Policy) -> Timestamp {
        free_at(&self.failures, policy.failures_per_day, DAY)
    }

    fn is_alive(&self, now: Timestamp, policy: &Policy) -> bool {
        self.state == State::Open
            && self.attempts_left > 0
            && self.expires_at >= now.plus(policy.least_life)
            && self.unlocked_at(policy) <= now
    }

    fn with_new_code(&self, decoy: bool, now: Timestamp, policy: &Policy, seal: impl FnOnce(u64) -> Sealed) -> Self {
        let issue = self.issue + 1;
        let fresh = Self {
            issue,
            sealed: seal(issue),
            state: State::Open,
            expires_at: now.plus(policy.code_life),
            attempts_left: policy.guesses_per_code,
            decoy,
            ..self.clone()
        };
        fresh.with_send(now, policy)
    }

    fn with_send(&self, now: Timestamp, policy: &Policy) -> Self {
        let mut next = self.clone();
        next.forget_before(now);
        if next.sends.is_empty() {
            next.streak = 0;
        }
        next.streak = next.streak.saturating_add(1);
        next.sends.push(now);
        next.send_number += 1;
        next.delivery = Delivery::Pending;
        next.delivery_changed_at = now;
        next.failure = None;
        next.ttl = ttl(now).max(now.plus(policy.code_life));
        next
    }

    fn with_delivery(&self, delivery: Delivery, now: Timestamp) -> Self {
        Self { delivery, delivery_changed_at: now, failure: None, ..self.clone() }
    }

    fn forget_before(&mut self, now: Timestamp) {
        self.sends.retain(|sent| sent.plus(DAY) > now);
        self.failures.retain(|failed| failed.plus(DAY) > now);
    }
}

/// The counts of the last 24 hours must outlive the code, or deleting the item would reset them.
fn ttl(now: Timestamp) -> Timestamp {
    now.plus(DAY).plus(HOUR)
}

/// When one more event keeps to "at most `limit` in any `window`", given the earlier ones, oldest first.
fn free_at(events: &[Timestamp], limit: usize, window: Duration) -> Timestamp {
    match events.len().checked_sub(limit) {
        Some(oldest_that_counts) => {
            events.get(oldest_that_counts).map_or(Timestamp(i64::MAX), |event| event.plus(window))
        }
        None => Timestamp::default(),
    }
}

fn cooldown(streak: u32, policy: &Policy) -> Duration {
    let doublings = streak.saturating_sub(1).min(16);
    (policy.first_cooldown * 2_u32.pow(doublings)).min(policy.longest_cooldown)
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
