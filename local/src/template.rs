//! `template.yaml`, read for what the laptop must do as the deployment does: tables and the stream's settings.

use std::{collections::BTreeMap, fs, time::Duration};

use serde_json::{Value, json};
use serde_yaml_ng::Value as Yaml;

use crate::Result;

pub struct Template {
    resources: Value,
}

pub struct Table {
    /// The logical id without `Table`, in lower case: `users`.
    pub name: String,
    /// What `CreateTable` takes.
    pub create: Value,
    pub ttl_attribute: Option<String>,
}

/// The event source between `codes` and `send-sms`.
pub struct StreamSource {
    pub batch_size: usize,
    pub lanes: usize,
    pub longest_age: Duration,
    /// A record is delivered if one of these patterns matches.
    pub patterns: Vec<Value>,
}

impl Template {
    /// # Errors
    /// When it cannot be read or is not YAML.
    pub fn read(path: &str) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| format!("{path} cannot be read ({error})"))?;
        let yaml: Yaml = serde_yaml_ng::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
        Ok(Self { resources: without_tags(yaml)["Resources"].take() })
    }

    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        let resources = self.resources.as_object().into_iter().flatten();
        resources
            .filter(|(_, resource)| resource["Type"] == "AWS::DynamoDB::Table")
            .map(|(id, resource)| table(id.trim_end_matches("Table").to_lowercase(), &resource["Properties"]))
            .collect()
    }

    /// # Errors
    /// When the event source lacks a setting.
    pub fn stream(&self) -> Result<StreamSource> {
        let source = &self.resources["SendSmsFunction"]["Properties"]["Events"]["SavedCodes"]["Properties"];
        let number = |name: &str| source[name].as_u64().ok_or(format!("template.yaml: SavedCodes has no {name}"));
        let filters = source["FilterCriteria"]["Filters"].as_array().cloned().unwrap_or_default();
        let patterns = filters
            .iter()
            .map(|filter| serde_json::from_str(filter["Pattern"].as_str().unwrap_or_default()))
            .collect::<Result<_, _>>()?;
        Ok(StreamSource {
            batch_size: usize::try_from(number("BatchSize")?)?,
            lanes: usize::try_from(number("ParallelizationFactor")?)?,
            longest_age: Duration::from_secs(number("MaximumRecordAgeInSeconds")?),
            patterns,
        })
    }
}

fn table(name: String, properties: &Value) -> Table {
    let mut create = json!({ "TableName": name });
    for part in ["KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes"] {
        if !properties[part].is_null() {
            create[part] = properties[part].clone();
        }
    }
    // CloudFormation turns a stream on by naming its view; the API wants both.
    if let Some(view) = properties["StreamSpecification"]["StreamViewType"].as_str() {
        create["StreamSpecification"] = json!({ "StreamEnabled": true, "StreamViewType": view });
    }
    let ttl_attribute = properties["TimeToLiveSpecification"]["AttributeName"].as_str().map(str::to_owned);
    Table { name, create, ttl_attribute }
}

/// The plain values; `!Ref X` and its like become the text after the tag.
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
