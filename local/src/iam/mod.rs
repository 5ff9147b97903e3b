//! IAM, enforced: with `IAM=enforced` every call of a function to a stand-in of AWS is allowed only by what the
//! function's role and permissions boundary allow in the template as SAM expands it.
//!
//! | part | does |
//! |---|---|
//! | [`policy`], [`condition`], [`pattern`], [`request`], [`evaluation`] | IAM's rules; they know no AWS service |
//! | [`intrinsics`], [`roles`], [`arn`] | read the roles from the expanded template |
//! | [`calls`] | turns a call on the wire into what IAM is asked |
//! | [`proxy`] | stands in front of a stand-in and answers denied calls |
//! | [`usage`] | records what was used and denied, and finds permissions that nothing used |
//!
//! Everything is read once, at the start. A template or a call that is not understood is refused.

pub mod arn;
pub mod calls;
pub mod condition;
pub mod evaluation;
#[cfg(test)]
mod evaluation_tests;
pub mod intrinsics;
pub mod pattern;
pub mod policy;
mod proxy;
pub mod request;
pub mod roles;
pub mod usage;

use std::{env, fs, path::Path, sync::Arc};

pub use calls::Service;
use calls::{Call, Tables, Unknown};
use evaluation::{Decision, decide};
pub use proxy::access_key_id;
use request::Request;
use roles::Roles;
use serde_json::Value;
use tokio::net::TcpListener;
use usage::{Entry, Record};

use crate::result::Result;

/// Where `make` and the tests' harness write the expanded template.
const EXPANDED_TEMPLATE: &str = "target/expanded-template.json";

pub struct Enforcement {
    roles: Roles,
    tables: Tables,
    record: Option<Record>,
}

impl Enforcement {
    /// `IAM=enforced` turns it on; `IAM_TEMPLATE` is the expanded template's path, `IAM_USAGE` a file that what was used
    /// and denied is added to.
    ///
    /// # Errors
    /// Names the variable, or the part of the template that is not understood.
    pub fn from_environment() -> Result<Option<Arc<Self>>> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        match variable("IAM").as_deref() {
            None => return Ok(None),
            Some("enforced") => {}
            Some(other) => return Err(format!("IAM is {other:?}; it may be `enforced`").into()),
        }
        let path = variable("IAM_TEMPLATE").unwrap_or_else(|| EXPANDED_TEMPLATE.to_owned());
        let text = fs::read_to_string(&path).map_err(|error| format!("{path} cannot be read ({error})"))?;
        let template: Value = serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
        let record = variable("IAM_USAGE").map(|path| Record::append_to(Path::new(&path))).transpose()?;
        Ok(Some(Arc::new(Self::new(&template, record).map_err(|error| format!("{path}: {error}"))?)))
    }

    /// # Errors
    /// Names the part of the template that is not understood.
    pub fn new(template: &Value, record: Option<Record>) -> Result<Self> {
        Ok(Self { roles: roles::read(template)?, tables: Tables::read(template), record })
    }

    /// Whether `function` may make the call; all that it needs must be allowed.
    ///
    /// # Errors
    /// AWS's message for the first part that is denied.
    pub fn check(&self, function: &str, call: &Call) -> Result<(), String> {
        let Some(role) = self.roles.get(function) else {
            return Err(self.deny(function, "?", "*", "because the template has no such function", call.service));
        };
        let requests = call.requests(&self.tables).map_err(|Unknown(action)| {
            let reason = "because local/src/iam/calls does not know this call";
            self.deny(function, &action, "*", reason, call.service)
        })?;
        let mut used = Vec::new();
        for request in &requests {
            match decide(&role.policies, role.boundary.as_ref(), request) {
                Decision::Allowed(grant) => used.push(grant),
                Decision::Denied(denial) => {
                    let Request { action, resource, .. } = request;
                    return Err(self.deny(function, action, resource, &denial.reason(action), call.service));
                }
            }
        }
        for grant in used {
            self.note(Entry::Used { function: function.to_owned(), grant });
        }
        Ok(())
    }

    fn deny(&self, function: &str, action: &str, resource: &str, reason: &str, service: Service) -> String {
        eprintln!("twostep-local: IAM denied {function}: {action} on {resource} {reason}");
        self.note(Entry::Denied {
            function: function.to_owned(),
            action: action.to_owned(),
            resource: resource.to_owned(),
            reason: reason.to_owned(),
        });
        let role = self.roles.get(function).map_or("unknown", |role| &role.name);
        let user = arn::session(role, function);
        match service {
            Service::Ses => format!("User `{user}' is not authorized to perform `{action}' on resource `{resource}'"),
            // SQS prints actions in lower case.
            Service::Sqs => {
                let (action, reason) = (action.to_lowercase(), reason.replace(action, &action.to_lowercase()));
                format!("User: {user} is not authorized to perform: {action} on resource: {resource} {reason}")
            }
            Service::DynamoDb | Service::SecretsManager => {
                format!("User: {user} is not authorized to perform: {action} on resource: {resource} {reason}")
            }
        }
    }

    fn note(&self, entry: Entry) {
        if let Some(Err(error)) = self.record.as_ref().map(|record| record.add(entry)) {
            eprintln!("twostep-local: what IAM allowed is not recorded: {error}");
        }
    }
}

/// The listener that the stand-in of `service` must serve: `listener` itself, or one behind IAM.
///
/// # Errors
/// When there is no port for it.
pub async fn guard(
    enforcement: Option<&Arc<Enforcement>>,
    service: Service,
    listener: TcpListener,
) -> Result<TcpListener> {
    match enforcement {
        Some(enforcement) => proxy::start(listener, service, Arc::clone(enforcement)).await,
        None => Ok(listener),
    }
}
