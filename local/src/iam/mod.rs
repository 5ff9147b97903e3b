//! IAM enforcement: with `IAM=enforced`, a function's call to an AWS stand-in needs the permission of the function's
//! role and permissions boundary in the template, as SAM expands it.
//!
//! | part | does |
//! |---|---|
//! | [`policy`], [`condition`], [`pattern`], [`request`], [`evaluation`] | implement IAM's rules for any service |
//! | [`intrinsics`], [`roles`] | read the roles from the expanded template |
//! | [`calls`] | converts a call on the wire to IAM requests |
//! | [`proxy`] | sits in front of an AWS stand-in and rejects denied calls |
//! | [`usage`] | records used permissions and denied calls, and finds permissions that no call used |
//!
//! The template is read once, at the start. An unsupported policy stops the start; an unsupported call is denied.

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

use crate::{arn, result::Result};

/// Where `make` and the test harness write the expanded template.
const EXPANDED_TEMPLATE: &str = "target/expanded-template.json";

pub struct Enforcement {
    roles: Roles,
    tables: Tables,
    record: Option<Record>,
}

impl Enforcement {
    /// Enabled by `IAM=enforced`. `IAM_TEMPLATE` is the path of the expanded template, whose `parameters` have other values
    /// than their defaults. `IAM_USAGE` is a file to which used permissions and denied calls are appended.
    ///
    /// # Errors
    /// If a variable or a part of the template isn't supported. The error names it.
    pub fn from_environment(parameters: &[(&str, &str)]) -> Result<Option<Arc<Self>>> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        match variable("IAM").as_deref() {
            None => return Ok(None),
            Some("enforced") => {}
            Some(other) => return Err(format!("IAM is {other:?}; expected `enforced`").into()),
        }
        let path = variable("IAM_TEMPLATE").unwrap_or_else(|| EXPANDED_TEMPLATE.to_owned());
        let text = fs::read_to_string(&path).map_err(|error| format!("{path} can't be read ({error})"))?;
        let mut template: Value = serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
        for (name, value) in parameters {
            template["Parameters"][*name]["Default"] = (*value).into();
        }
        let record = variable("IAM_USAGE").map(|path| Record::append_to(Path::new(&path))).transpose()?;
        Ok(Some(Arc::new(Self::new(&template, record).map_err(|error| format!("{path}: {error}"))?)))
    }

    /// # Errors
    /// If a part of the template isn't supported. The error names it.
    pub fn new(template: &Value, record: Option<Record>) -> Result<Self> {
        Ok(Self { roles: roles::read(template)?, tables: Tables::read(template), record })
    }

    /// Checks whether `function` may make the call. IAM must allow all of its parts.
    ///
    /// # Errors
    /// AWS's message for the first denied part.
    pub fn check(&self, function: &str, call: &Call) -> Result<(), String> {
        let Some(role) = self.roles.get(function) else {
            return Err(self.deny(function, "?", "*", "because the template has no such function", call.service));
        };
        let requests = call.requests(&self.tables).map_err(|Unknown(action)| {
            let reason = "because local/src/iam/calls does not support this call";
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
            // SQS prints actions in lowercase.
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
            eprintln!("twostep-local: can't record a used permission: {error}");
        }
    }
}

/// Returns the port at which functions reach the stand-in of `service` on `port`: that one, or one of the IAM proxy.
///
/// # Errors
/// If no port is free.
pub async fn guard_port(enforcement: Option<&Arc<Enforcement>>, service: Service, port: u16) -> Result<u16> {
    let Some(enforcement) = enforcement else { return Ok(port) };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let own = listener.local_addr()?.port();
    proxy::serve(listener, service, Arc::clone(enforcement), format!("http://127.0.0.1:{port}"));
    Ok(own)
}

/// Returns the listener that the stand-in of `service` must serve: `listener` itself, or one behind the IAM proxy.
///
/// # Errors
/// If no port is free.
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
