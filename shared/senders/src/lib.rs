//! What delivers messages: Clickatell or a hook of the operator for SMS, Amazon SES for email. A sender takes a [`Message`] and
//! gives an [`Outcome`].

pub mod clickatell;
mod http;
pub mod outbound;
mod outcome;
pub mod ses;
pub mod webhook;

pub use outcome::{FailureCode, Fault, Outcome};
use twostep_domain::phone::PhoneNumber;

/// A message, for any sender.
pub struct Message<'a> {
    pub to: &'a PhoneNumber,
    pub content: &'a str,
    /// Our own name of it. Clickatell returns it in delivery reports but doesn't recognise a repetition by it.
    pub reference: &'a str,
}
