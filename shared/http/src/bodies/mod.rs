//! The bodies of requests and responses, as `docs/openapi.yaml` describes them.
//!
//! Requests are strict: unknown fields and duplicate keys are refused. Each request body parses itself into the values that
//! its use case takes.

pub mod challenge;
pub mod clients;
pub mod delivery_reports;
pub mod discovery;
mod look;
pub mod oauth;
pub mod page;
pub mod profile;
pub mod registration;
pub mod reset;
pub mod session;
pub mod settings;
pub mod sign_in;
pub mod site;
pub mod transfer;
pub mod usage;
pub mod user;
pub mod users;
pub mod verifications;
pub mod verify;
pub mod webhooks;

pub use challenge::{ChallengeBody, EmailBody, PhoneBody};
pub use session::SessionBody;
pub use user::UserBody;
