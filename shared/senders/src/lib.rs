//! The providers that deliver messages. Clickatell is the only one so far.

pub mod clickatell;
