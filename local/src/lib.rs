//! The whole service on a laptop: stand-ins for API Gateway, Lambda and its event sources, DynamoDB, Secrets Manager,
//! SQS, SES and Clickatell. Everything listens on loopback only.
//!
//! The modules are public so that tests can run a service against one of them alone.

pub mod arn;
pub mod aws;
pub mod clickatell;
pub mod clock;
mod cut_off;
mod email;
pub mod event_sources;
pub mod gateway;
mod http_client;
pub mod iam;
mod identifier;
mod inbox;
pub mod lambda;
pub mod result;
pub mod ses;
pub mod settings;
mod sms;
pub mod stack;
pub mod template;
