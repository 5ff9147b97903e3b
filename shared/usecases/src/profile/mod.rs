//! What a signed-in user does with their account.

pub mod details;
pub mod devices;
pub mod email;
pub mod password;
pub mod phone;
pub mod recovery_codes;

pub use details::ChangeDetails;
pub use email::ChangeEmail;
pub use password::ChangePassword;
pub use phone::ChangePhone;
