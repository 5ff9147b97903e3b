//! Codes: ask for one, enter it, have it sent again.

pub mod admission;
pub mod challenges;
pub mod resend;
pub mod verify;

pub use admission::Admission;
pub use challenges::{ChallengeError, ChallengeView, Challenges, StartError};
pub use resend::ResendCode;
pub use verify::VerifyCode;
