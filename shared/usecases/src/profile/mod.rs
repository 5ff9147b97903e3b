//! What a signed-in user does with their account.

pub mod activity;
pub mod deletion;
pub mod details;
pub mod devices;
pub mod email;
pub mod password;
pub mod phone;
pub mod recovery_codes;
pub mod sessions;
pub mod totp;

pub use details::ChangeDetails;
pub use email::ChangeEmail;
pub use password::ChangePassword;
pub use phone::ChangePhone;
