//! Clickatell's two POST APIs behind one client.
//!
//! The outcome of a message is one of four: accepted, refused, "try later", or unknown. An unknown message is never sent
//! again by itself, because Clickatell does not recognise repetitions.
//! Source: docs.clickatell.com, "SMS API" and "One API"; guides.clickatell.com, "Send messages".

pub mod account;
pub mod client;
mod codes;
pub mod delivery_report;
pub mod key_check;
mod request;
mod response;

pub use account::{Account, CachedAccount};
pub use client::Client;
pub use delivery_report::DeliveryReport;
pub use key_check::KeyCheck;
