//! What an admin does.

pub mod clients;
pub mod key;
pub mod settings;
pub mod test_email;
pub mod test_message;
pub mod usage;

pub use clients::ManageClients;
pub use key::{AdminKey, Authorised};
pub use settings::ChangeSettings;
pub use test_email::SendTestEmail;
pub use test_message::SendTestMessage;
pub use usage::{ReadUsage, Usage};
