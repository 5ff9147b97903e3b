//! Accounts: who a user is, what proves it, which devices they trust, how far their phone number is trusted, what
//! happened, and what operators did.

pub mod activity;
pub mod authenticator;
pub mod device;
pub mod operation;
pub mod phone_trust;
pub mod user;

pub use activity::{Activity, Event};
pub use authenticator::{Authenticator, PendingTotp, Totp};
pub use device::Device;
pub use operation::{Action, Operation, Operator};
pub use phone_trust::PhoneTrust;
pub use user::{AccountSnapshot, ListPosition, PhoneOwner, Role, User};
