//! Create an account.

mod address;
pub mod by_password;
pub mod by_phone;

pub use by_password::RegisterByPassword;
pub use by_phone::{CompleteRegistration, StartRegistration};
