//! The path of a message: reserve what it costs, send it, record how far it got.

pub mod delivery_reports;
pub mod notice;
pub mod provider;
pub mod reservation;
pub mod send;
pub mod send_email;

pub use delivery_reports::RecordDeliveryReports;
pub use reservation::{MessageIntent, Reservation, ReserveError, Spending};
pub use send::SendMessages;
pub use send_email::SendEmails;
