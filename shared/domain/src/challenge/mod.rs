//! A challenge: the request "enter the code that we sent you", from the first message to the correct code.
//!
//! [`state_machine`] has the rules, [`policy`] their limits (the resend cooldown is one), [`purpose`] what each kind of
//! challenge carries, and [`delivery`] how far its message got.

pub mod delivery;
pub mod guesses;
pub mod policy;
pub mod purpose;
pub mod state_machine;

pub use delivery::{Delivery, DeliveryFailure, DeliveryStatus, Reported};
pub use guesses::{GuessLimits, WrongGuesses};
pub use policy::Policy;
pub use purpose::{ClientVerification, Notice, Payload, Purpose, PurposeName, Reference, SecondStepMethod};
pub use state_machine::{Challenge, Guess, GuessRefusal, ResendRefusal, Sealed, Start, TooManyCodes, Verdict};
