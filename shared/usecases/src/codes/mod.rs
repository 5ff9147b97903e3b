//! Codes: ask for one, enter it, have it sent again.

pub mod admission;
pub(crate) mod asking;
pub mod challenges;
pub mod client_ip;
pub mod count_used;
pub mod resend;
pub mod verify;

pub use admission::Admission;
pub use challenges::{ChallengeError, ChallengeView, Challenges, StartError};
pub use client_ip::ClientIpLimit;
pub use count_used::CountUsedCodes;
pub use resend::ResendCode;
pub use verify::VerifyCode;
