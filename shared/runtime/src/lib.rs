//! The machine around the rules: environment, clock, randomness, logs, metrics, caches, AWS clients, secrets and the queue.
//!
//! Every function begins with [`Startup::begin`], then builds what its job needs.

pub mod aws;
pub mod cache;
pub mod clock;
pub mod config;
pub mod deadline;
pub mod entropy;
pub mod event_source;
pub mod metrics;
pub mod queue;
pub mod secrets;
pub mod startup;
pub mod telemetry;
pub mod xray;

pub use deadline::Deadline;
pub use queue::Queue;
pub use startup::Startup;
