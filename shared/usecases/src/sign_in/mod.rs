//! Sign in to an account.

pub mod attempts;
pub mod by_password;
pub mod by_phone;
pub mod confirm;
pub mod second_step;

pub use by_password::SignInByPassword;
pub use by_phone::StartPhoneSignIn;
pub use confirm::ConfirmSignIn;
