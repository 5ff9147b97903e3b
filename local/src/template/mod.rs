//! `template.yaml`, read for what the laptop must do as a deployment does.

mod event_sources;
mod functions;
mod http_api;
mod queues;
mod tables;

use std::{collections::BTreeMap, fs};

pub use event_sources::{EventSource, Source};
pub use functions::Function;
pub use http_api::{Cors, HttpApi, Route, Throttle};
pub use queues::{Queue, RedrivePolicy};
use serde_json::Value;
use serde_yaml_ng::Value as Yaml;
pub use tables::Table;

use crate::result::Result;

pub struct Template {
    resources: Value,
    globals: Value,
}

impl Template {
    /// # Errors
    /// When the file cannot be read or is not YAML.
    pub fn read(path: &str) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| format!("{path} cannot be read ({error})"))?;
        Self::parse(&text).map_err(|error| format!("{path}: {error}").into())
    }

    /// # Errors
    /// When the text is not YAML.
    pub fn parse(text: &str) -> Result<Self> {
        let yaml: Yaml = serde_yaml_ng::from_str(text)?;
        let mut template = without_tags(yaml);
        Ok(Self { resources: template["Resources"].take(), globals: template["Globals"].take() })
    }

    /// The resources of one type, by logical id.
    fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let resources = self.resources.as_object().into_iter().flatten();
        resources
            .filter(move |(_, resource)| resource["Type"] == kind)
            .map(|(id, resource)| (id.as_str(), &resource["Properties"]))
    }

    /// The name that a resource has on the laptop: `UsersTable` is `users`, `KeysSecret` is `twostep/keys`. Resources
    /// that the laptop does not run have none.
    #[must_use]
    pub fn physical_name(&self, id: &str) -> Option<String> {
        let resource = self.resources.get(id)?;
        match resource["Type"].as_str()? {
            "AWS::DynamoDB::Table" => Some(tables::name(id)),
            "AWS::SecretsManager::Secret" => Some(format!("twostep/{}", kebab(id.trim_end_matches("Secret")))),
            "AWS::SQS::Queue" => Some(queues::name(id, &resource["Properties"])),
            "AWS::Serverless::Function" => functions::name(&resource["Properties"]),
            _ => None,
        }
    }
}

/// `AuditEvents` as `audit-events`.
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

/// The plain values: `!Ref X` becomes the text `X`, `!GetAtt X.Arn` becomes `X.Arn`.
#[must_use]
pub fn without_tags(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Tagged(tagged) => without_tags(tagged.value),
        Yaml::Mapping(entries) => {
            let entries =
                entries.into_iter().filter_map(|(key, value)| Some((key.as_str()?.to_owned(), without_tags(value))));
            Value::Object(entries.collect::<BTreeMap<_, _>>().into_iter().collect())
        }
        Yaml::Sequence(items) => Value::Array(items.into_iter().map(without_tags).collect()),
        plain => serde_json::to_value(plain).unwrap_or_default(),
    }
}
