//! IDs for requests and processes.

use twostep_domain::random;
use twostep_runtime::entropy;
use uuid::Builder;

/// A random UUID (RFC 9562, version 4).
#[must_use]
pub fn uuid() -> String {
    Builder::from_random_bytes(random::bytes(&mut entropy::system())).into_uuid().to_string()
}
