//! The machine around the rules: environment, clock, randomness, logs, metrics, caches, AWS clients and secrets.
//!
//! Every function begins with [`Startup::begin`], then builds what its job needs.

pub mod aws;
pub mod cache;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod metrics;
pub mod secrets;
pub mod startup;
pub mod telemetry;

pub use startup::Startup;
