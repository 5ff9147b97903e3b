//! The stack's HTTP client.

use std::time::Duration;

/// # Panics
/// Never, because plain HTTP depends on nothing on the machine.
#[expect(clippy::disallowed_methods, reason = "the only place that builds a client, with a timeout")]
#[must_use]
pub fn http_client(timeout: Duration) -> reqwest::Client {
    reqwest::Client::builder().timeout(timeout).no_proxy().build().expect("a plain HTTP client")
}
