//! What operators do.

pub mod authorisation;
pub mod clients;
pub mod key;
pub mod settings;
pub mod test_email;
pub mod test_message;
pub mod trail;
pub mod transfer;
pub mod usage;
pub mod users;
pub mod webhooks;

pub use authorisation::{Operators, Permission};
pub use clients::ManageClients;
pub use settings::ChangeSettings;
pub use test_email::SendTestEmail;
pub use test_message::SendTestMessage;
pub use transfer::TransferUsers;
pub use usage::{ReadUsage, Usage};
pub use users::ManageUsers;
pub use webhooks::ManageWebhooks;
