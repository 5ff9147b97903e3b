//! What a use case may know of the caller.

use std::net::IpAddr;

use twostep_domain::language::Language;

#[derive(Clone, Debug)]
pub struct Caller {
    /// Where the connection comes from. The caller cannot choose it.
    pub client_ip: IpAddr,
    /// The language that the caller prefers.
    pub language: Language,
    /// How a browser describes itself, for the list of remembered devices.
    pub user_agent: String,
}
