//! OpenID Connect: sign a user in to a client, and what the client's tokens are worth.

pub mod authorize;
pub mod client_authentication;
pub mod inspect;
pub mod issue;
pub mod logout;

pub use authorize::Authorize;
pub use client_authentication::AuthenticateClient;
pub use inspect::InspectTokens;
pub use issue::IssueTokens;
pub use logout::EndClientSession;
