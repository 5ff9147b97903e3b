//! Scopes: which claims a client gets, and whether it can refresh (OpenID Connect Core §5.4, §11).

use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Scope {
    Openid,
    Profile,
    Email,
    Phone,
    OfflineAccess,
}

impl Scope {
    pub const ALL: [Self; 5] = [Self::Openid, Self::Profile, Self::Email, Self::Phone, Self::OfflineAccess];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A set of scopes, as text separated by spaces (RFC 6749 §3.3) in the order of [`Scope::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// The scopes in `text` that exist. Others are ignored (OpenID Connect Core §3.1.2.1).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let named: Vec<Scope> = text.split(' ').filter_map(|name| name.parse().ok()).collect();
        Self(Scope::ALL.into_iter().filter(|scope| named.contains(scope)).collect())
    }

    /// What tokens of the service's own pages and of API clients have.
    #[must_use]
    pub fn of_session() -> Self {
        Self(vec![Scope::Openid, Scope::Profile, Scope::Email, Scope::Phone])
    }

    #[must_use]
    pub fn contains(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// Whether every scope of `self` is in `other`.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|scope| other.contains(*scope))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" "))
    }
}

impl From<String> for Scopes {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        scopes.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_scopes_are_kept_once_and_in_order() {
        let scopes = Scopes::parse("offline_access email groups openid email OPENID");
        assert_eq!(scopes.to_string(), "openid email offline_access");
        assert_eq!(Scopes::parse("").to_string(), "");
        assert!(Scopes::parse("openid").is_within(&scopes) && !Scopes::parse("openid phone").is_within(&scopes));
    }
}
