//! The DynamoDB tables, one module for each aggregate.
//!
//! [`Tables`] opens a store by reading the one environment variable that names its table. [`compare_and_swap`] and
//! [`sliding_window`] are the two ways in which stores change items under concurrency; everything else is a single
//! conditional write or a transaction.

pub mod audit;
pub mod challenges;
pub mod client_grants;
pub mod client_network;
pub mod clients;
pub mod compare_and_swap;
pub mod email_budget;
pub mod event_deliveries;
pub mod failed_attempts;
pub mod outcomes;
pub mod registration_tokens;
pub mod sent_messages;
pub mod sessions;
pub mod settings;
pub mod sliding_window;
pub mod spending;
pub mod table;
pub mod tables;
pub mod transaction;
pub mod users;
pub mod webhooks;

pub use audit::AuditStore;
pub use challenges::ChallengeStore;
pub use client_grants::ClientGrantStore;
pub use clients::{CachedClients, ClientStore};
pub use email_budget::EmailBudgetStore;
pub use event_deliveries::EventDeliveryStore;
pub use failed_attempts::FailedAttemptStore;
pub use outcomes::OutcomeStore;
pub use registration_tokens::RegistrationTokenStore;
pub use sent_messages::SentMessageStore;
pub use sessions::SessionStore;
pub use settings::CachedSettings;
pub use sliding_window::SlidingWindowStore;
pub use table::TableError;
pub use tables::Tables;
pub use users::UserStore;
