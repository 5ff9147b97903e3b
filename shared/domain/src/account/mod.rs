//! Accounts: who a user is, which devices they trust, and how far their phone number is trusted.

pub mod device;
pub mod phone_trust;
pub mod user;

pub use device::Device;
pub use phone_trust::PhoneTrust;
pub use user::{AccountSnapshot, PhoneOwner, User};
