//! Addresses of the web, read strictly, so that no two readings of one can differ.

use serde::{Deserialize, Serialize};

const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The parts of an `http` or `https` URI with an authority.
pub struct WebAddress<'a> {
    pub is_https: bool,
    pub host: &'a str,
    pub port: Option<&'a str>,
    /// Path and query.
    pub rest: &'a str,
}

impl<'a> WebAddress<'a> {
    #[must_use]
    pub fn parse(input: &'a str) -> Option<Self> {
        let (is_https, rest) = match (input.strip_prefix("https://"), input.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return None,
        };
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        // The colons of an IPv6 address are in brackets.
        let host_end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
        let (host, port) = match authority[host_end..].find(':') {
            Some(colon) => (&authority[..host_end + colon], Some(&authority[host_end + colon + 1..])),
            None => (authority, None),
        };
        Some(Self { is_https, host, port, rest })
    }

    #[must_use]
    pub fn is_loopback(&self) -> bool {
        LOOPBACK_HOSTS.contains(&self.host)
    }

    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let labels = || self.host.split('.');
        let is_label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let is_host = self.is_loopback() || (self.host.len() <= 253 && labels().all(is_label));
        let is_port = |port: &str| {
            port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
        };
        is_host && self.port.is_none_or(is_port)
    }
}

/// A label of a host name (RFC 1123 §2.1, RFC 1035 §2.3.4): 1 to 63 letters, digits and hyphens, none of them at its ends.
#[must_use]
pub fn is_host_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A character that RFC 3986 allows in a URI, but no `#`.
#[must_use]
pub fn is_uri_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte)
}

/// The address of a public page or picture: `https`, without user name and fragment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HttpsUrl(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an https address")]
pub struct InvalidUrl;

impl HttpsUrl {
    pub const LONGEST: usize = 500;

    /// # Errors
    /// [`InvalidUrl`]
    pub fn parse(input: &str) -> Result<Self, InvalidUrl> {
        let is_plain = input.len() <= Self::LONGEST && input.bytes().all(is_uri_character);
        let is_https = WebAddress::parse(input)
            .is_some_and(|address| address.is_https && address.is_well_formed() && !address.is_loopback());
        if is_plain && is_https { Ok(Self(input.to_owned())) } else { Err(InvalidUrl) }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Scheme, host and port, as a Content Security Policy names a source.
    #[must_use]
    pub fn origin(&self) -> &str {
        let start = "https://".len();
        let end = self.0[start..].find(['/', '?']).map_or(self.0.len(), |end| start + end);
        &self.0[..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_https_addresses_are_accepted_with_their_origin() {
        for (input, origin) in [
            ("https://cdn.example/logo.svg", "https://cdn.example"),
            ("https://cdn.example:8443/a/b?size=2", "https://cdn.example:8443"),
            ("https://example.com", "https://example.com"),
            ("https://example.com?help", "https://example.com"),
        ] {
            assert_eq!(HttpsUrl::parse(input).unwrap().origin(), origin);
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let long = format!("https://example.com/{}", "a".repeat(HttpsUrl::LONGEST));
        for input in [
            "",
            "http://example.com/logo.svg",
            "//example.com/logo.svg",
            "javascript:alert(1)",
            "data:image/svg+xml,x",
            "https://localhost/logo.svg",
            "https://user@example.com/",
            "https://example.com; script-src *",
            "https://example.com/'\"><script>",
            "https://example.com/a b",
            "https://example.com/#top",
            "https://*.example.com/",
            "https://",
            &long,
        ] {
            assert_eq!(HttpsUrl::parse(input), Err(InvalidUrl), "{input}");
        }
    }
}
