//! IDs for requests and processes.

use rand::RngExt;
use twostep_runtime::entropy;

/// A random UUID (RFC 9562, version 4).
#[must_use]
pub fn uuid() -> String {
    let random = entropy::system().random::<u128>();
    let versioned = random & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{versioned:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
