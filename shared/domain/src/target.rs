//! Addresses that an operator names and this service calls: webhooks and senders.

use serde::{Deserialize, Serialize};

use crate::{
    network::is_public,
    web_address::{WebAddress, is_uri_character},
};

/// An `https` address with a path, or one of this machine where that is allowed. Whether its host is public is known only
/// when it is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetUrl(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an https address that can be called")]
pub struct InvalidTarget;

/// Where targets may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses by `https`.
    Public,
    /// Also this machine, as on a laptop.
    Loopback,
}

impl TargetUrl {
    const LONGEST: usize = 500;

    /// # Errors
    /// [`InvalidTarget`]
    pub fn parse(input: &str, reach: Reach) -> Result<Self, InvalidTarget> {
        let input = input.trim();
        let is_plain = input.len() <= Self::LONGEST && input.bytes().all(is_uri_character) && !input.contains('@');
        let address = WebAddress::parse(input).filter(|_| is_plain).ok_or(InvalidTarget)?;
        let ip = address.host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        let is_allowed = if address.is_loopback() {
            reach == Reach::Loopback
        } else {
            address.is_https
                && address.host.contains('.')
                && ip.is_none_or(is_public)
                && !looks_like_a_number(address.host)
        };
        if is_allowed && address.is_well_formed() { Ok(Self(input.to_owned())) } else { Err(InvalidTarget) }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Resolvers read `0x7f.1` and `2130706433.` as IPv4 addresses.
fn looks_like_a_number(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let is_ip = host.parse::<std::net::Ipv4Addr>().is_ok();
    !is_ip && (last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_https_address_with_a_public_name_or_number() {
        for good in [
            "https://shop.example/hooks",
            "https://shop.example:8443/a?b=c",
            "https://8.8.8.8/x",
            " https://a.example ",
        ] {
            assert_eq!(TargetUrl::parse(good, Reach::Public).unwrap().as_str(), good.trim());
        }
        for bad in [
            "",
            "shop.example",
            "http://shop.example/",
            "ftp://shop.example/",
            "https://",
            "https://localhost/x",
            "https://127.0.0.1/x",
            "https://[::1]/x",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://127.1/",
            "https://internal/",
            "https://user@shop.example/",
            "https://shop.example/#f",
            "https://shop.example/ x",
            "https://shop.example:0/",
            "https://shop.example:x/",
            "https://Shop.example/",
            "https://[2001:db8::1]/",
            "https://shop.example/\u{e9}",
        ] {
            assert_eq!(TargetUrl::parse(bad, Reach::Public), Err(InvalidTarget), "{bad}");
        }
        for own in ["http://localhost:9000/hook", "http://127.0.0.1:1/x", "https://localhost/x"] {
            assert!(TargetUrl::parse(own, Reach::Loopback).is_ok() && TargetUrl::parse(own, Reach::Public).is_err());
        }
        assert!(TargetUrl::parse("http://192.168.1.1/", Reach::Loopback).is_err());
    }
}
