//! ARNs that the laptop's tables, secrets and queues would have in a deployment.

pub const PARTITION: &str = "aws";
pub const REGION: &str = "us-east-1";
/// The account ID of AWS's examples.
pub const ACCOUNT: &str = "123456789012";

/// Secrets Manager appends a hyphen and six random characters to every secret's ARN.
const SECRET_SUFFIX: &str = "Laptop";

/// The ARN of `resource` of `service` in this account and region.
#[must_use]
pub fn regional(service: &str, resource: &str) -> String {
    format!("arn:{PARTITION}:{service}:{REGION}:{ACCOUNT}:{resource}")
}

#[must_use]
pub fn table(name: &str) -> String {
    regional("dynamodb", &format!("table/{name}"))
}

#[must_use]
pub fn index(table: &str, index: &str) -> String {
    regional("dynamodb", &format!("table/{table}/index/{index}"))
}

#[must_use]
pub fn stream(table: &str) -> String {
    regional("dynamodb", &format!("table/{table}/stream/2026-01-01T00:00:00.000"))
}

/// The ARN of a secret. `id` is its name, its full ARN, or its ARN without the random suffix.
#[must_use]
pub fn secret(id: &str) -> String {
    let name = match id.split_once(":secret:") {
        Some((_, rest)) => without_suffix(rest),
        None => id,
    };
    regional("secretsmanager", &format!("secret:{name}-{SECRET_SUFFIX}"))
}

fn without_suffix(name: &str) -> &str {
    const LENGTH: usize = 6;
    match name.rsplit_once('-') {
        Some((start, end)) if end.len() == LENGTH && end.chars().all(|c| c.is_ascii_alphanumeric()) => start,
        _ => name,
    }
}

#[must_use]
pub fn queue(name: &str) -> String {
    regional("sqs", name)
}

/// The ARN that identifies a function as the caller.
#[must_use]
pub fn session(role: &str, function: &str) -> String {
    format!("arn:{PARTITION}:sts::{ACCOUNT}:assumed-role/{role}/{function}")
}
