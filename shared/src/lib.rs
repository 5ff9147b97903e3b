//! The domain of TwoStep: challenges, codes, accounts, sessions, and the way of a message.
//!
//! Pure rules come first ([`challenge`], [`phone`], [`email`], [`sms`], the policy of [`spending`]), then the adapters to
//! DynamoDB, Secrets Manager, Clickatell and HTTP. The functions under `functions/` are thin shells: those of the API around
//! [`service`], the others around [`outbox`] (a message is sent), [`receipts`] (what became of it) and [`rotate_keys`].

pub mod access_token;
pub mod aws;
pub mod cache;
pub mod challenge;
pub mod clickatell;
pub mod clock;
pub mod code;
pub mod config;
pub mod email;
pub mod entropy;
pub mod http;
pub mod json;
pub mod keys;
pub mod language;
pub mod metrics;
pub mod name;
pub mod outbox;
pub mod password;
pub mod phone;
pub mod quota;
pub mod receipts;
pub mod recovery;
pub mod rotate_keys;
pub mod secrets;
pub mod service;
pub mod sessions;
pub mod settings;
pub mod sms;
pub mod spending;
pub mod table;
pub mod telemetry;
pub mod throttle;
pub mod users;
