//! The network of a client IP, by which requests and failed attempts are limited.

use std::net::IpAddr;

use twostep_crypto::Pepper;

/// The table key of a caller's network in a counter of one `kind`, for one `purpose`: one IPv4 address, or the /64 of an
/// IPv6 address, which is what one customer gets.
#[must_use]
pub fn hidden_network(kind: &str, pepper: &Pepper, purpose: &str, client_ip: IpAddr) -> String {
    let network = match client_ip {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{:x?}", &address.segments()[..4]),
    };
    pepper.hide(&format!("{kind}|address"), &format!("{purpose}|{network}"))
}
