//! Redirect URIs: the exact addresses to which a browser returns from this service (RFC 9700 §2.1).

use serde::{Deserialize, Serialize};

use super::ClientKind;
use crate::web_address::{WebAddress, is_uri_character};

/// A registered redirect URI. It is compared as a string, so no two readings of one address can differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RedirectUri(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a redirect URI for this kind of client")]
pub struct InvalidRedirectUri;

impl RedirectUri {
    pub const LONGEST: usize = 500;

    /// Accepts `https`, `http` on a loopback host, and for native apps also a private scheme that contains a dot
    /// (RFC 8252 §7.1). No user name, fragment, wildcard host or character that URIs don't allow.
    ///
    /// # Errors
    /// [`InvalidRedirectUri`]
    pub fn parse(input: &str, kind: ClientKind) -> Result<Self, InvalidRedirectUri> {
        let is_plain = !input.is_empty() && input.len() <= Self::LONGEST && input.bytes().all(is_uri_character);
        let is_allowed = match WebAddress::parse(input) {
            Some(address) => address.is_well_formed() && (address.is_https || address.is_loopback()),
            None => kind == ClientKind::Native && has_private_scheme(input),
        };
        if is_plain && is_allowed { Ok(Self(input.to_owned())) } else { Err(InvalidRedirectUri) }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `given` is this URI: exactly, except that a native app on a loopback host may use any port, because it can't
    /// choose one in advance (RFC 8252 §7.3).
    #[must_use]
    pub fn matches(&self, given: &str, kind: ClientKind) -> bool {
        if self.0 == given {
            return true;
        }
        if kind != ClientKind::Native {
            return false;
        }
        let (Some(own), Some(given)) = (WebAddress::parse(&self.0), WebAddress::parse(given)) else { return false };
        let is_loopback = !own.is_https && !given.is_https && own.is_loopback() && given.is_well_formed();
        is_loopback && own.host == given.host && own.rest == given.rest
    }
}

/// `com.example.app:/callback`.
fn has_private_scheme(input: &str) -> bool {
    let Some((scheme, rest)) = input.split_once(':') else { return false };
    let is_scheme = scheme.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-+".contains(&byte));
    is_scheme && scheme.contains('.') && !scheme.ends_with('.') && rest.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(uri: &str, kind: ClientKind) -> bool {
        RedirectUri::parse(uri, kind).is_ok()
    }

    #[test]
    fn https_and_loopback_addresses_can_be_registered() {
        for uri in [
            "https://shop.example/callback",
            "https://shop.example",
            "https://shop.example:8443/a/b?tenant=1&x=%20",
            "https://xn--caf-dma.example/cb",
            "http://localhost:3000/cb",
            "http://localhost/cb",
            "http://127.0.0.1:9000/",
            "http://[::1]:9000/cb",
        ] {
            for kind in [ClientKind::Web, ClientKind::Spa, ClientKind::Native] {
                assert!(accepts(uri, kind), "{uri} {kind:?}");
            }
        }
    }

    #[test]
    fn everything_else_cannot() {
        for uri in [
            "",
            "https://",
            "https:///cb",
            "https:/shop.example",
            "shop.example/cb",
            "/cb",
            "//shop.example/cb",
            "HTTPS://shop.example/cb",
            "https://Shop.example/cb",
            "https://shop.example./cb",
            "https://shop..example/cb",
            "https://*.shop.example/cb",
            "https://user@shop.example/cb",
            "https://user:pw@shop.example/cb",
            "https://shop.example:0/cb",
            "https://shop.example:99999/cb",
            "https://shop.example:/cb",
            "https://shop.example:80a/cb",
            "https://shop.example/cb#fragment",
            "https://shop.example/cb#",
            "https://shop.example/c b",
            "https://shop.example\\@evil.example/",
            "https://shop.example/\r\nx: y",
            "https://shöp.example/cb",
            "https://[2001:db8::1]/cb",
            "http://shop.example/cb",
            "http://localhost.evil.example/cb",
            "http://127.0.0.2/cb",
            "http://127.0.0.1@evil.example/cb",
            "ftp://shop.example/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "app:/cb",
            &format!("https://shop.example/{}", "a".repeat(RedirectUri::LONGEST)),
        ] {
            for kind in [ClientKind::Web, ClientKind::Spa, ClientKind::Native] {
                assert!(!accepts(uri, kind), "{uri:.60} {kind:?}");
            }
        }
    }

    #[test]
    fn only_native_apps_have_private_schemes() {
        assert!(accepts("com.example.app:/callback", ClientKind::Native));
        assert!(accepts("com.example.app://callback", ClientKind::Native));
        for kind in [ClientKind::Web, ClientKind::Spa] {
            assert!(!accepts("com.example.app:/callback", kind));
        }
        for uri in ["com.example.app:", ".app:/cb", "app.:/cb", "Com.Example:/cb", "com.example.app:cb#x", "1.app:/cb"]
        {
            assert!(!accepts(uri, ClientKind::Native), "{uri}");
        }
    }

    #[test]
    fn an_address_is_compared_exactly() {
        let registered = RedirectUri::parse("https://shop.example/cb", ClientKind::Web).unwrap();
        assert!(registered.matches("https://shop.example/cb", ClientKind::Web));
        for other in [
            "https://shop.example/cb/",
            "https://shop.example/cb?x=1",
            "https://shop.example/cb#",
            "https://shop.example/CB",
            "https://shop.example/c%62",
            "https://shop.example/cb/../evil",
            "https://shop.example:443/cb",
            "https://SHOP.example/cb",
            "https://shop.example./cb",
            "https://shop.example.evil.example/cb",
            "https://shop.example@evil.example/cb",
            "https://evil.example/https://shop.example/cb",
            "http://shop.example/cb",
            "https://shop.example/cb ",
            "",
        ] {
            for kind in [ClientKind::Web, ClientKind::Spa, ClientKind::Native] {
                assert!(!registered.matches(other, kind), "{other} {kind:?}");
            }
        }
    }

    #[test]
    fn a_native_app_may_use_any_loopback_port() {
        let registered = RedirectUri::parse("http://127.0.0.1/cb", ClientKind::Native).unwrap();
        assert!(registered.matches("http://127.0.0.1:51004/cb", ClientKind::Native));
        assert!(!registered.matches("http://127.0.0.1:51004/cb", ClientKind::Web));
        for other in [
            "http://localhost:51004/cb",
            "https://127.0.0.1:51004/cb",
            "http://127.0.0.1:51004/cb/",
            "http://127.0.0.1:51004/cb?x",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:x@evil.example/cb",
            "http://127.0.0.1@evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
        ] {
            assert!(!registered.matches(other, ClientKind::Native), "{other}");
        }
    }
}
