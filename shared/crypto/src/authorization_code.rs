//! Authorization codes: 256 random bits, and the table key that they lead to.

use crate::opaque_token::OpaqueToken;

/// The key of the code's item. Ids of sessions have no dot, so neither is ever the other.
#[must_use]
pub fn item_id(code: &OpaqueToken) -> String {
    format!("code.{}", code.hash())
}
