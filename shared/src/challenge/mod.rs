//! A challenge: the question "enter the code we sent you", from the first message to the right answer.
//!
//! [`rules`] is the pure state machine, [`id`] the names of challenges, [`payload`] what is sealed inside one, and
//! [`store`] the compare-and-swap that makes the rules hold under concurrency.

pub mod id;
pub mod payload;
pub mod rules;
pub mod store;

pub use id::{ChallengeId, ChallengeKey};
pub use payload::{Payload, Purpose, Sealed};
pub use rules::{Challenge, Delivery, DeliveryReport, Policy, Refusal};
pub use store::{ChallengeStore, Saved};
