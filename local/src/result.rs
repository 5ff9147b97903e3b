//! Errors of the stack: one line that says what is in the way.

use std::error::Error;

pub type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;
