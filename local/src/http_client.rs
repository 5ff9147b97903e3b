//! The stack's one HTTP client.

use std::time::Duration;

/// # Panics
/// Never: plain HTTP needs nothing of the machine.
#[expect(clippy::disallowed_methods, reason = "the one place here that makes a client, with a time limit")]
#[must_use]
pub fn http_client(timeout: Duration) -> reqwest::Client {
    reqwest::Client::builder().timeout(timeout).no_proxy().build().expect("a client for plain HTTP")
}
