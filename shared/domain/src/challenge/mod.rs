//! A challenge: the request "enter the code that we sent you", from the first message to the correct code.
//!
//! [`state_machine`] has the rules, [`policy`] their limits (the resend cooldown is one), [`purpose`] what each kind of
//! challenge carries, and [`delivery`] how far its message got.

pub mod delivery;
pub mod policy;
pub mod purpose;
pub mod state_machine;

pub use delivery::{Delivery, DeliveryFailure, DeliveryStatus};
pub use policy::Policy;
pub use purpose::{ClientVerification, Notice, Payload, Purpose, PurposeName, Reference};
pub use state_machine::{Challenge, GuessRefusal, ResendRefusal, Sealed, Start, TooManyCodes, Verdict};
