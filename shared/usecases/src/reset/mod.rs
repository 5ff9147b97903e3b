//! Reset a forgotten password: ask for a code, give one or two proofs, choose a new password.

pub mod password;
pub mod second_step;
pub mod start;

pub use password::ResetPassword;
pub use start::StartReset;
