//! Reasons why an invocation has no result.

use std::{fmt, time::Duration};

use axum::body::Bytes;
use serde_json::json;

#[derive(Debug)]
pub enum Failure {
    UnknownFunction,
    /// The queue is full, or the event waited too long.
    TooManyRequests,
    PayloadTooLarge,
    /// The process ended before it took the event.
    NotStarted,
    /// The function or its process failed. The payload is Lambda's error object: `errorType` and `errorMessage`.
    Function {
        payload: Bytes,
        ends_instance: bool,
    },
}

impl Failure {
    /// The process failed before it took an event.
    #[must_use]
    pub fn init(message: &str) -> Self {
        Self::of_process("Runtime.InitError", message)
    }

    #[must_use]
    pub fn exited(request: &str, status: &str) -> Self {
        Self::of_process(
            "Runtime.ExitError",
            &format!("RequestId: {request} Error: Runtime exited with error: {status}"),
        )
    }

    #[must_use]
    pub fn timed_out(request: &str, limit: Duration) -> Self {
        let message = format!("RequestId: {request} Error: Task timed out after {:.2} seconds", limit.as_secs_f64());
        Self::of_process("Sandbox.Timedout", &message)
    }

    /// The response exceeds Lambda's payload limit.
    #[must_use]
    pub fn answer_too_large(bytes: usize) -> Self {
        let message = format!("Response payload size ({bytes} bytes) exceeded maximum allowed payload size");
        Self::function(
            json!({ "errorType": "Function.ResponseSizeTooLarge", "errorMessage": message }).to_string().into(),
        )
    }

    /// The function reported an error and keeps running.
    #[must_use]
    pub fn function(payload: Bytes) -> Self {
        Self::Function { payload, ends_instance: false }
    }

    fn of_process(kind: &str, message: &str) -> Self {
        let payload = json!({ "errorType": kind, "errorMessage": message }).to_string().into();
        Self::Function { payload, ends_instance: true }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::UnknownFunction => formatter.write_str("no such function"),
            Self::TooManyRequests => formatter.write_str("too many invocations are waiting"),
            Self::PayloadTooLarge => formatter.write_str("the event is too large"),
            Self::NotStarted => formatter.write_str("the process ended before it took the event"),
            Self::Function { payload, .. } => formatter.write_str(&String::from_utf8_lossy(payload)),
        }
    }
}
