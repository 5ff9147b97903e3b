//! The providers that deliver messages: Clickatell for SMS, Amazon SES for email.

pub mod clickatell;
pub mod ses;
