//! Events for the operator's own software: entries of the audit trail become deliveries, and deliveries are made.

pub mod deliver;
pub mod publish;

pub use deliver::DeliverEvents;
pub use publish::PublishEvents;
