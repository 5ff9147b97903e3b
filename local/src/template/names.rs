//! The names of resources on the laptop.

use serde_json::Value;

use super::document::Template;

impl Template {
    /// `UsersTable` becomes `users`, `KeysSecret` becomes `twostep/keys`. Returns `None` for resources that the laptop
    /// doesn't run.
    #[must_use]
    pub fn physical_name(&self, id: &str) -> Option<String> {
        physical_name(id, self.resources.get(id)?)
    }
}

/// The name of `resource` with the logical ID `id`, in the template as written or as SAM expands it.
#[must_use]
pub fn physical_name(id: &str, resource: &Value) -> Option<String> {
    match resource["Type"].as_str()? {
        "AWS::DynamoDB::Table" => Some(table(id)),
        "AWS::SecretsManager::Secret" => Some(format!("twostep/{}", kebab(id.trim_end_matches("Secret")))),
        "AWS::SQS::Queue" => Some(queue(id, &resource["Properties"])),
        "AWS::Serverless::Function" => function(&resource["Properties"]),
        _ => None,
    }
}

pub fn table(id: &str) -> String {
    kebab(id.trim_end_matches("Table"))
}

pub fn queue(id: &str, properties: &Value) -> String {
    properties["QueueName"].as_str().map_or_else(|| kebab(id), str::to_owned)
}

/// The function's folder under `functions/`.
pub fn function(properties: &Value) -> Option<String> {
    Some(properties["CodeUri"].as_str()?.trim_end_matches('/').rsplit('/').next()?.to_owned())
}

/// Converts `AuditEvents` to `audit-events`.
fn kebab(id: &str) -> String {
    let mut name = String::new();
    for letter in id.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.extend(letter.to_lowercase());
    }
    name
}
