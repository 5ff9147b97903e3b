//! What the stand-ins are called in AWS: the ARNs that a deployment's tables, secrets and queues would have.

pub const PARTITION: &str = "aws";
pub const REGION: &str = "us-east-1";
pub const ACCOUNT: &str = "123456789012";

/// Secrets Manager ends every secret's ARN in a hyphen and six random characters.
const SECRET_SUFFIX: &str = "Laptop";

/// `service:resource` in this account and region.
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

/// Of a secret that a call names by its name, its whole ARN or its ARN without the random end.
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

/// Who calls when a function calls.
#[must_use]
pub fn session(role: &str, function: &str) -> String {
    format!("arn:{PARTITION}:sts::{ACCOUNT}:assumed-role/{role}/{function}")
}
