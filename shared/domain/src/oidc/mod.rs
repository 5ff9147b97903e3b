//! OpenID Connect: what a client asks for, whether a session satisfies it, and what the client then holds.

pub mod authorization_request;
pub mod grant;
pub mod parameters;
pub mod scope;

pub use authorization_request::{
    AssuranceLevel, AuthorizationError, AuthorizationRequest, CodeChallenge, Missing, PendingRequest,
};
pub use grant::{AuthorizationCode, Grant};
pub use parameters::Parameters;
pub use scope::{Scope, Scopes};
