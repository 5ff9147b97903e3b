//! The path of a message: put it on the queue, reserve what it costs, send it, record how far it got.

pub mod delivery_reports;
pub mod notice;
pub mod provider;
pub mod queue;
pub mod reservation;
pub mod send;
pub mod send_email;
pub(crate) mod senders;
pub mod watch;

pub use delivery_reports::RecordDeliveryReports;
pub use queue::QueueMessages;
pub use reservation::{MessageIntent, Reservation, ReserveError, Spending};
pub use send::SendMessages;
pub use send_email::SendEmails;
pub use watch::Watch;
