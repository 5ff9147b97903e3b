//! What the service does: one file for each thing a user, an admin or the system wants.
//!
//! A use case is a struct that holds only the stores, secrets and settings it needs. It takes parsed values and returns
//! its own results and errors; `twostep-http` turns those into responses. Where a code is involved, the file that starts
//! the challenge also has what a correct code leads to.

pub mod access;
pub mod admin;
pub mod audit;
pub mod caller;
pub mod codes;
pub mod events;
pub mod messages;
pub mod oidc;
pub mod outage;
pub mod profile;
pub mod public_site;
pub mod published_keys;
pub mod registration;
pub mod repeat;
pub mod reset;
pub mod rotate_keys;
pub mod session;
pub mod sign_in;
pub mod signed_in;
pub mod verifications;
mod warm_up;

pub use caller::Caller;
pub use outage::Outage;
pub use repeat::Repeatable;
pub use signed_in::SignedIn;
