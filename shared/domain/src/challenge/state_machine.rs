//! The challenge as a state machine: pure functions of (challenge, now, policy) that give the next challenge or a
//! refusal. The store saves what they return by compare-and-swap.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Delivery, DeliveryFailure, DeliveryStatus, GuessLimits, Policy, Reported, WrongGuesses};
use crate::{
    country::Country,
    ids::ChallengeKey,
    rate_limit::forget_older_than,
    recipient::Channel,
    spending::Asked,
    time::{DAY, HOUR, Timestamp},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Open,
    Used,
}

/// One item of the `codes` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    #[serde(rename = "id")]
    pub key: ChallengeKey,
    /// The version that was read; 0 for a challenge that is not in the table yet.
    pub version: u64,
    /// The number of the present code, see [`next_number`]. Challenge ids of earlier codes no longer work.
    pub issue: u64,
    pub sealed: Sealed,
    /// How the code travels.
    #[serde(default, skip_serializing_if = "Channel::is_sms")]
    pub channel: Channel,
    pub state: State,
    pub expires_at: Timestamp,
    pub attempts_left: usize,
    /// When messages were requested in the last 24 hours, oldest first. Decoys count like real ones.
    pub sends: Vec<Timestamp>,
    /// Those of `sends` whose message was certainly not sent.
    #[serde(default)]
    pub unsent: Vec<Timestamp>,
    /// When wrong codes were entered in the last 24 hours, oldest first.
    pub failures: Vec<Timestamp>,
    /// Messages since the last correct code: the exponent of the cooldown.
    pub streak: u32,
    /// The number of the present message, see [`next_number`]. Delivery reports of earlier messages change nothing.
    pub send_number: u64,
    pub delivery: Delivery,
    pub delivery_changed_at: Timestamp,
    /// Why `delivery` is [`Delivery::Failed`], while it is.
    #[serde(default)]
    pub failure: Option<DeliveryFailure>,
    /// The latest attempt to hand the present message over: a random number, by which the attempt is recognised.
    #[serde(default)]
    pub attempt: Option<u64>,
    /// Where the message went, for the usage; `None` before the first was handed over.
    #[serde(default)]
    pub country: Option<Country>,
    /// Looks like a challenge from outside, but no message is sent and no code is correct.
    pub decoy: bool,
    /// How the person was counted who was asked and has not entered a code yet, or entered it last.
    #[serde(default)]
    pub asked: Option<Box<Asked>>,
    /// Wrong codes of an app that were entered in place of the code.
    #[serde(default)]
    pub totp_guesses: WrongGuesses,
    /// Wrong recovery codes.
    #[serde(default)]
    pub recovery_code_guesses: WrongGuesses,
    /// When DynamoDB may delete the item. It can be days late, so no rule relies on it.
    pub ttl: Timestamp,
}

/// An encrypted value: `<data key id>.<base64url(nonce ‖ AES-256-GCM ciphertext ‖ tag)>`. `twostep_crypto::sealing` makes
/// and opens it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub String);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(…)")
    }
}

/// No code is alive, and no message may be sent before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyCodes {
    pub until: Timestamp,
}

/// Why a code is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResendRefusal {
    /// The code has been used.
    Used,
    Expired,
    /// No message before `until`.
    TooManyCodes {
        until: Timestamp,
    },
}

/// Why a guess is not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuessRefusal {
    /// The code has been used.
    Used,
    Expired,
    /// Wrong codes have used up the guesses; a new code is available at `until`.
    TooManyAttempts {
        until: Timestamp,
    },
}

/// The outcome of asking for a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// A code is alive and it is too early to send it again.
    Alive,
    /// A new code, or the same one again. Once this is saved, it will be sent.
    Send(Challenge),
    /// No message is sent. Once this is saved, the challenge accepts what may be entered in place of its code.
    Unsent(Challenge),
}

/// What was entered. Guesses at anything but the code are counted for the network that they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess<'a> {
    Code,
    Totp { from: &'a str },
    RecoveryCode { from: &'a str },
}

/// The outcome of a guess. Save `next` before you tell the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Correct { next: Challenge },
    Wrong { next: Challenge, attempts_left: usize },
}

/// What the rules need to know of the caller.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub channel: Channel,
    pub decoy: bool,
    /// Whether the present code was made for the account that asks now.
    pub same_account: bool,
}

impl Challenge {
    /// Asks for a code. A code that is alive is never replaced, only sent again, so a second tab or a late duplicate
    /// message does no harm. `seal` makes and seals a new code.
    ///
    /// # Errors
    /// [`TooManyCodes`]
    pub fn start(
        present: Option<&Self>,
        key: &ChallengeKey,
        ask: Ask,
        now: Timestamp,
        policy: &Policy,
        seal: impl FnOnce(u64) -> Sealed,
    ) -> Result<Start, TooManyCodes> {
        let Some(present) = present else {
            return Ok(Start::Send(Self::blank(key, now).with_new_code(ask, now, policy, seal)));
        };
        let alive = present.is_alive(now, policy);
        let send_at = if alive && !ask.same_account {
            // The number has a new owner, who must not wait for a cooldown that someone else started.
            present.send_limit_free_at(policy)
        } else {
            present.resend_at(policy)
        };
        if alive && ask.same_account {
            return Ok(if send_at > now { Start::Alive } else { Start::Send(present.with_send(now, policy)) });
        }
        let until = send_at.max(present.unlocked_at(policy));
        if until > now {
            return Err(TooManyCodes { until });
        }
        Ok(Start::Send(present.with_new_code(ask, now, policy, seal)))
    }

    /// Starts a challenge without a message: there is no number to send one to, or (`failure`) none may be sent now. Its id
    /// is good for what may be entered in place of the code. The counts and the cooldown go on, and a code that was sent and
    /// is alive can still be entered.
    pub fn start_unsent(
        present: Option<&Self>,
        key: &ChallengeKey,
        ask: Ask,
        now: Timestamp,
        policy: &Policy,
        failure: Option<DeliveryFailure>,
        seal: impl FnOnce(u64) -> Sealed,
    ) -> Start {
        let delivery = if failure.is_some() { Delivery::Failed } else { Delivery::None };
        let unsent = |challenge: Self| Self { failure, ..challenge.with_delivery(delivery, now) };
        let is_open = |present: &Self| {
            ask.same_account && present.state == State::Open && present.expires_at >= now.plus(policy.least_lifetime)
        };
        let was_sent = |present: &Self| {
            failure.is_some() && present.delivery != Delivery::None && ask.same_account && present.is_alive(now, policy)
        };
        match present {
            Some(present) if is_open(present) && present.delivery == delivery && present.failure == failure => {
                Start::Alive
            }
            Some(present) if was_sent(present) => Start::Alive,
            Some(present) if is_open(present) => Start::Unsent(unsent(present.clone())),
            _ => {
                let present = present.cloned().unwrap_or_else(|| Self::blank(key, now));
                Start::Unsent(unsent(present.with_fresh_code(ask, now, policy, seal)))
            }
        }
    }

    /// A message without a code: it is sent like a challenge, and no code answers it.
    #[must_use]
    pub fn notice(key: &ChallengeKey, channel: Channel, sealed: Sealed, now: Timestamp, policy: &Policy) -> Self {
        let notice = Self { sealed, channel, expires_at: now.plus(policy.notice_lifetime), ..Self::blank(key, now) };
        notice.with_send(now, policy)
    }

    fn blank(key: &ChallengeKey, now: Timestamp) -> Self {
        Self {
            key: key.clone(),
            version: 0,
            issue: 0,
            sealed: Sealed(String::new()),
            channel: Channel::Sms,
            state: State::Open,
            expires_at: now,
            attempts_left: 0,
            sends: Vec::new(),
            unsent: Vec::new(),
            failures: Vec::new(),
            streak: 0,
            send_number: 0,
            delivery: Delivery::Pending,
            delivery_changed_at: now,
            failure: None,
            attempt: None,
            country: None,
            decoy: false,
            asked: None,
            totp_guesses: WrongGuesses::default(),
            recovery_code_guesses: WrongGuesses::default(),
            ttl: now,
        }
    }

    /// Asks for the same code again.
    ///
    /// # Errors
    /// [`ResendRefusal`]
    pub fn resend(&self, now: Timestamp, policy: &Policy) -> Result<Self, ResendRefusal> {
        if self.state == State::Used {
            return Err(ResendRefusal::Used);
        }
        if self.expires_at < now.plus(policy.least_lifetime) {
            return Err(ResendRefusal::Expired);
        }
        let until = self.resend_at(policy).max(self.unlocked_at(policy));
        if until > now {
            return Err(ResendRefusal::TooManyCodes { until });
        }
        // Wrong guesses have used the code up, so only a new one helps; or there is nothing to send at all.
        if !self.is_alive(now, policy) || self.delivery == Delivery::None {
            return Err(ResendRefusal::Expired);
        }
        Ok(self.with_send(now, policy))
    }

    /// Judges a guess. `matches` tells whether it is correct; nothing is for a decoy. Each kind of guess has limits of its
    /// own.
    ///
    /// # Errors
    /// [`GuessRefusal`]
    pub fn verify(
        &self,
        guess: Guess<'_>,
        matches: bool,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<Verdict, GuessRefusal> {
        if self.state == State::Used {
            return Err(GuessRefusal::Used);
        }
        if now >= self.expires_at {
            return Err(GuessRefusal::Expired);
        }
        match guess {
            Guess::Code => self.verify_code(matches, now, policy),
            Guess::Totp { from } => {
                self.verify_other(|next| &mut next.totp_guesses, &policy.totp_guesses, from, matches, now)
            }
            Guess::RecoveryCode { from } => {
                let limits = &policy.recovery_code_guesses;
                self.verify_other(|next| &mut next.recovery_code_guesses, limits, from, matches, now)
            }
        }
    }

    fn verify_other(
        &self,
        counted: fn(&mut Self) -> &mut WrongGuesses,
        limits: &GuessLimits,
        from: &str,
        matches: bool,
        now: Timestamp,
    ) -> Result<Verdict, GuessRefusal> {
        let mut next = self.clone();
        let guesses = counted(&mut next);
        let until = guesses.free_at(from, limits);
        if until > now {
            return Err(GuessRefusal::TooManyAttempts { until });
        }
        if matches && !self.decoy {
            next.state = State::Used;
            next.streak = 0;
            // Only the code shows that its message arrived.
            next.asked = None;
            return Ok(Verdict::Correct { next });
        }
        *guesses = guesses.and(from, now);
        let attempts_left = guesses.left(from, limits, now);
        next.ttl = ttl(now);
        Ok(Verdict::Wrong { next, attempts_left })
    }

    fn verify_code(&self, matches: bool, now: Timestamp, policy: &Policy) -> Result<Verdict, GuessRefusal> {
        if self.attempts_left == 0 || self.unlocked_at(policy) > now {
            return Err(GuessRefusal::TooManyAttempts { until: self.resend_at(policy).max(self.unlocked_at(policy)) });
        }
        let mut next = self.clone();
        if matches && !self.decoy {
            next.state = State::Used;
            next.failures.clear();
            next.streak = 0;
            return Ok(Verdict::Correct { next });
        }
        next.forget_before(now);
        next.failures.push(now);
        next.attempts_left = self.attempts_left - 1;
        next.ttl = ttl(now);
        let left_today = policy.failures_per_day.saturating_sub(next.failures.len());
        let attempts_left = next.attempts_left.min(left_today);
        Ok(Verdict::Wrong { next, attempts_left })
    }

    /// Without the wrong guesses that lock it: an operator has checked who asks. Messages count on.
    #[must_use]
    pub fn unlocked(&self) -> Self {
        Self {
            failures: Vec::new(),
            totp_guesses: WrongGuesses::default(),
            recovery_code_guesses: WrongGuesses::default(),
            ..self.clone()
        }
    }

    /// Whether message `send_number` still waits to be sent. It no longer does once it was handed over or refused, once a
    /// newer message replaced it, and once its code was used.
    #[must_use]
    pub fn waits(&self, send_number: u64) -> bool {
        self.state == State::Open && self.send_number == send_number && self.delivery.is_waiting()
    }

    /// Hands message `send_number` over to the provider (for a decoy, only in appearance). Save this before you send:
    /// only the caller that saves it may send. `None` if the message does not wait, or its code has expired.
    #[must_use]
    pub fn hand_over(&self, send_number: u64, attempt: u64, country: Option<Country>, now: Timestamp) -> Option<Self> {
        let handed_over = Self { attempt: Some(attempt), country, ..self.with_delivery(Delivery::Sending, now) };
        (self.waits(send_number) && now < self.expires_at).then_some(handed_over)
    }

    /// The challenge as it is if `attempt` certainly sent nothing: if that attempt handed the message over, it waits again.
    #[must_use]
    pub fn taken_back(self, attempt: Option<u64>) -> Self {
        let is_this_one = attempt.is_some() && self.attempt == attempt && self.delivery == Delivery::Sending;
        if is_this_one { Self { delivery: Delivery::Deferred, ..self } } else { self }
    }

    /// Records why message `send_number` is not handed over at all. `None` if it does not wait.
    #[must_use]
    pub fn refuse(&self, send_number: u64, failure: DeliveryFailure, now: Timestamp) -> Option<Self> {
        self.waits(send_number).then(|| self.with_delivery(Delivery::Failed, now).with_failure(failure))
    }

    /// Records how far message `send_number` got, once it was handed over. `None` if that is not new: an earlier message, or
    /// a step back.
    #[must_use]
    pub fn record_delivery(&self, send_number: u64, delivery: Delivery, now: Timestamp) -> Option<Self> {
        let is_new = self.send_number == send_number && self.delivery.may_become(delivery);
        is_new.then(|| self.with_delivery(delivery, now))
    }

    /// Records what the provider reported of message `send_number`. A message that it reported as failed can still arrive.
    #[must_use]
    pub fn record_report(&self, send_number: u64, reported: Reported, now: Timestamp) -> Option<Self> {
        match reported {
            Reported::Sent => self.record_delivery(send_number, Delivery::Sent, now),
            Reported::Failed(failure) => self.record_failure(send_number, failure, now),
            Reported::Delivered => {
                let failed = self.failure.filter(|failure| failure.is_reported() && self.send_number == send_number);
                let Some(failure) = failed else { return self.record_delivery(send_number, Delivery::Delivered, now) };
                let mut arrived = self.with_delivery(Delivery::Delivered, now);
                if failure.is_unsent() {
                    arrived.unsent.retain(|at| Some(at) != self.sends.last());
                }
                Some(arrived)
            }
        }
    }

    /// Records why message `send_number` was refused by the provider or did not arrive. `None` if that is not new.
    #[must_use]
    pub fn record_failure(&self, send_number: u64, failure: DeliveryFailure, now: Timestamp) -> Option<Self> {
        Some(self.record_delivery(send_number, Delivery::Failed, now)?.with_failure(failure))
    }

    fn with_failure(mut self, failure: DeliveryFailure) -> Self {
        if failure.is_unsent() {
            self.unsent.extend(self.sends.last());
        }
        Self { failure: Some(failure), ..self }
    }

    /// The same challenge, with its person counted. A person who was asked before is not counted again.
    #[must_use]
    pub fn with_asked(self, asked: Option<Asked>) -> Self {
        let asked = asked.filter(|_| self.state == State::Open);
        Self { asked: asked.map(Box::new).or(self.asked), ..self }
    }

    /// How many messages of the last 24 hours came before the present one, not counting those that were not sent.
    #[must_use]
    pub fn messages_before(&self) -> usize {
        self.sends.len().saturating_sub(1 + self.unsent.len())
    }

    /// How far the present message got, as far as can be told at `now`.
    #[must_use]
    pub fn delivery_status(&self, now: Timestamp, policy: &Policy) -> DeliveryStatus {
        match self.delivery {
            waiting if waiting.is_waiting() && now >= self.expires_at => DeliveryStatus::Failed,
            Delivery::Sending if now >= self.delivery_changed_at.plus(policy.send_patience) => DeliveryStatus::Unknown,
            Delivery::Pending | Delivery::Deferred | Delivery::Sending => DeliveryStatus::Pending,
            Delivery::Unknown => DeliveryStatus::Unknown,
            Delivery::Sent => DeliveryStatus::Sent,
            Delivery::Failed => DeliveryStatus::Failed,
            Delivery::Delivered => DeliveryStatus::Delivered,
            Delivery::None => DeliveryStatus::None,
        }
    }

    /// Whether the code has been sent and can still be entered.
    #[must_use]
    pub fn accepts_code(&self, now: Timestamp, policy: &Policy) -> bool {
        let was_sent = self.delivery != Delivery::None && self.failure != Some(DeliveryFailure::TooManyCodes);
        was_sent && self.attempts_left > 0 && self.unlocked_at(policy) <= now
    }

    /// Why [`Self::delivery_status`] is [`DeliveryStatus::Failed`], while it is.
    #[must_use]
    pub fn delivery_failure(&self, now: Timestamp) -> Option<DeliveryFailure> {
        let waits_too_long = self.delivery.is_waiting() && now >= self.expires_at;
        if waits_too_long { Some(DeliveryFailure::NotSentInTime) } else { self.failure }
    }

    /// The earliest moment at which another message is allowed.
    #[must_use]
    pub fn resend_at(&self, policy: &Policy) -> Timestamp {
        let cooled_down = match (self.sends.last(), self.streak) {
            (Some(last), 0) => *last,
            (Some(last), streak) => last.plus(policy.cooldown(streak)),
            (None, _) => Timestamp::default(),
        };
        cooled_down.max(self.send_limit_free_at(policy))
    }

    fn send_limit_free_at(&self, policy: &Policy) -> Timestamp {
        let free_at = policy.send_limits().map(|limit| limit.free_at(self.sends.iter().rev()));
        free_at.into_iter().max().unwrap_or_default()
    }

    fn unlocked_at(&self, policy: &Policy) -> Timestamp {
        policy.failure_limit().free_at(self.failures.iter().rev())
    }

    fn is_alive(&self, now: Timestamp, policy: &Policy) -> bool {
        self.state == State::Open
            && self.attempts_left > 0
            && self.expires_at >= now.plus(policy.least_lifetime)
            && self.unlocked_at(policy) <= now
    }

    fn with_new_code(&self, ask: Ask, now: Timestamp, policy: &Policy, seal: impl FnOnce(u64) -> Sealed) -> Self {
        self.with_fresh_code(ask, now, policy, seal).with_send(now, policy)
    }

    fn with_fresh_code(&self, ask: Ask, now: Timestamp, policy: &Policy, seal: impl FnOnce(u64) -> Sealed) -> Self {
        let issue = next_number(self.issue, now);
        Self {
            issue,
            sealed: seal(issue),
            channel: ask.channel,
            state: State::Open,
            expires_at: now.plus(policy.code_lifetime),
            attempts_left: policy.guesses_per_code,
            decoy: ask.decoy,
            // Who has answered, or has not been asked for a day, is asked anew.
            asked: self.asked.clone().filter(|asked| self.state == State::Open && asked.is_fresh(now)),
            ttl: ttl(now),
            ..self.clone()
        }
    }

    fn with_send(&self, now: Timestamp, policy: &Policy) -> Self {
        let mut next = self.clone();
        next.forget_before(now);
        if next.sends.is_empty() {
            next.streak = 0;
        }
        next.streak = next.streak.saturating_add(1);
        next.sends.push(now);
        next.send_number = next_number(self.send_number, now);
        next.delivery = Delivery::Pending;
        next.delivery_changed_at = now;
        next.failure = None;
        next.attempt = None;
        next.ttl = ttl(now).max(now.plus(policy.code_lifetime));
        next
    }

    fn with_delivery(&self, delivery: Delivery, now: Timestamp) -> Self {
        // The write that used the code is the one that counts its person; what comes later must not repeat it.
        let asked = self.asked.clone().filter(|_| self.state == State::Open);
        Self { delivery, delivery_changed_at: now, failure: None, asked, ..self.clone() }
    }

    fn forget_before(&mut self, now: Timestamp) {
        forget_older_than(DAY, &mut self.sends, now);
        forget_older_than(DAY, &mut self.unsent, now);
        forget_older_than(DAY, &mut self.failures, now);
    }
}

/// The number that follows `previous`: the time in milliseconds, or one more than `previous` if that is later. It never
/// comes again, even after DynamoDB has deleted the item and the challenge begins anew, so an old challenge id or delivery
/// report never matches a later code or message.
fn next_number(previous: u64, now: Timestamp) -> u64 {
    now.milliseconds().max(previous.saturating_add(1))
}

/// The counts of the last 24 hours must outlive the code, or deleting the item would reset them.
fn ttl(now: Timestamp) -> Timestamp {
    now.plus(DAY).plus(HOUR)
}

#[cfg(test)]
#[path = "state_machine_tests.rs"]
mod tests;
