//! Counters of messages and money, and the breaker.

pub mod breaker;
pub mod counters;

pub use breaker::BreakerStore;
pub use counters::{Counter, CounterStore};
