//! Converts a call on the wire to IAM requests: actions, resources and condition keys, as the Service Authorization
//! Reference lists them for each service.

mod dynamodb;
mod secrets_manager;
mod ses;
mod sqs;

use serde_json::Value;

pub use self::dynamodb::Tables;
use super::{condition::ConditionKey, request::Request};
use crate::arn;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    DynamoDb,
    SecretsManager,
    /// SES API version 2.
    Ses,
    Sqs,
}

pub struct Call<'a> {
    pub service: Service,
    pub method: &'a str,
    pub path: &'a str,
    /// The `X-Amz-Target` header; empty in REST protocols.
    pub target: &'a str,
    pub body: &'a Value,
}

/// An unsupported call, as the action that it would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown(pub String);

impl Call<'_> {
    /// All requests that IAM must allow for the call to be allowed.
    ///
    /// # Errors
    /// [`Unknown`] if the call is unsupported.
    pub fn requests(&self, tables: &Tables) -> Result<Vec<Request>, Unknown> {
        let operation = self.target.rsplit('.').next().unwrap_or_default();
        let requests = match self.service {
            Service::DynamoDb => dynamodb::requests(operation, self.body, tables),
            Service::SecretsManager => secrets_manager::requests(operation, self.body),
            Service::Ses => ses::requests(self.method, self.path, self.body),
            Service::Sqs => sqs::requests(operation, self.body),
        };
        let known = requests.filter(|requests| !requests.is_empty()).ok_or_else(|| self.unknown(operation))?;
        Ok(known.into_iter().map(everywhere).collect())
    }

    fn unknown(&self, operation: &str) -> Unknown {
        Unknown(match self.service {
            Service::DynamoDb => format!("dynamodb:{operation}"),
            Service::SecretsManager => format!("secretsmanager:{operation}"),
            Service::Ses => format!("ses:{} {}", self.method, self.path),
            Service::Sqs => format!("sqs:{operation}"),
        })
    }
}

const EVERYWHERE: [ConditionKey; 3] = [
    ConditionKey::single("aws:PrincipalAccount"),
    ConditionKey::single("aws:RequestedRegion"),
    ConditionKey::single("aws:SecureTransport"),
];

/// Adds the condition keys that AWS adds to every request (IAM User Guide, "AWS global condition context keys"). A
/// deployment's calls use TLS.
fn everywhere(request: Request) -> Request {
    request
        .with("aws:PrincipalAccount", [arn::ACCOUNT])
        .with("aws:RequestedRegion", [arn::REGION])
        .with("aws:SecureTransport", ["true"])
}

/// The condition keys that policies may use, because requests carry them.
#[must_use]
pub fn condition_keys() -> Vec<ConditionKey> {
    [&EVERYWHERE[..], &dynamodb::CONDITION_KEYS, &secrets_manager::CONDITION_KEYS, &ses::CONDITION_KEYS].concat()
}

/// The strings of a list, or a single string.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        one => one.as_str().map(str::to_owned).into_iter().collect(),
    }
}
