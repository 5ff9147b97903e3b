//! The template file.

use std::{collections::BTreeMap, fs};

use serde_json::Value;
use serde_yaml_ng::Value as Yaml;

use crate::result::Result;

pub struct Template {
    pub(super) resources: Value,
    pub(super) globals: Value,
    parameters: Value,
}

impl Template {
    /// # Errors
    /// If the file can't be read or isn't YAML.
    pub fn read(path: &str) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| format!("{path} can't be read ({error})"))?;
        Self::parse(&text).map_err(|error| format!("{path}: {error}").into())
    }

    /// # Errors
    /// If the text isn't YAML.
    pub fn parse(text: &str) -> Result<Self> {
        let yaml: Yaml = serde_yaml_ng::from_str(text)?;
        let mut template = without_tags(yaml);
        Ok(Self {
            resources: template["Resources"].take(),
            globals: template["Globals"].take(),
            parameters: template["Parameters"].take(),
        })
    }

    /// A number, or the default of the parameter that it refers to.
    pub(super) fn number(&self, value: &Value) -> Option<f64> {
        value.as_f64().or_else(|| self.parameters[value.as_str()?]["Default"].as_f64())
    }

    /// The resources of one type, by logical ID.
    pub(super) fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let resources = self.resources.as_object().into_iter().flatten();
        resources
            .filter(move |(_, resource)| resource["Type"] == kind)
            .map(|(id, resource)| (id.as_str(), &resource["Properties"]))
    }
}

/// Replaces tags with plain values: `!Ref X` becomes the string `X`, `!GetAtt X.Arn` becomes `X.Arn`.
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
