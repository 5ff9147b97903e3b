//! Evaluates an identity's policies and permissions boundary within one account (IAM User Guide, "Policy evaluation
//! logic").

use std::fmt;

use super::{
    policy::{Effect, Policy},
    request::Request,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Allowed(Grant),
    Denied(Denial),
}

/// The part of an identity policy that allowed a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Grant {
    /// The policy's name and the statement's index in it, from 0.
    pub statement: String,
    /// As the policy spells it, with wildcards.
    pub action: String,
    pub resource: String,
}

impl Grant {
    #[must_use]
    pub fn new(policy: &Policy, statement: usize, action: &str, resource: &str) -> Self {
        let statement = format!("{}[{statement}]", policy.name);
        Self { statement, action: action.to_owned(), resource: resource.to_owned() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    ByIdentityPolicy,
    ByBoundary,
    NotInIdentityPolicies,
    NotInBoundary,
}

impl Denial {
    /// The end of AWS's message (IAM User Guide, "Troubleshoot access denied error messages").
    #[must_use]
    pub fn reason(self, action: &str) -> String {
        match self {
            Self::ByIdentityPolicy => "with an explicit deny in an identity-based policy".to_owned(),
            Self::ByBoundary => "with an explicit deny in a permissions boundary".to_owned(),
            Self::NotInIdentityPolicies => format!("because no identity-based policy allows the {action} action"),
            Self::NotInBoundary => format!("because no permissions boundary allows the {action} action"),
        }
    }
}

/// An explicit deny always wins. Otherwise, the identity's policies and its boundary, if any, must both allow the
/// request.
#[must_use]
pub fn decide(identity: &[Policy], boundary: Option<&Policy>, request: &Request) -> Decision {
    let boundary = boundary.map(std::slice::from_ref);
    if find(identity, Effect::Deny, request).is_some() {
        return Decision::Denied(Denial::ByIdentityPolicy);
    }
    if boundary.is_some_and(|boundary| find(boundary, Effect::Deny, request).is_some()) {
        return Decision::Denied(Denial::ByBoundary);
    }
    let Some(grant) = find(identity, Effect::Allow, request) else {
        return Decision::Denied(Denial::NotInIdentityPolicies);
    };
    if boundary.is_some_and(|boundary| find(boundary, Effect::Allow, request).is_none()) {
        return Decision::Denied(Denial::NotInBoundary);
    }
    Decision::Allowed(grant)
}

/// The first statement with this effect that applies.
fn find(policies: &[Policy], effect: Effect, request: &Request) -> Option<Grant> {
    policies.iter().find_map(|policy| {
        policy.statements.iter().enumerate().find_map(|(place, statement)| {
            let (action, resource) = statement.applies(request)?;
            (statement.effect == effect).then(|| Grant::new(policy, place, action, resource))
        })
    })
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} ({})", self.action, self.resource, self.statement)
    }
}
