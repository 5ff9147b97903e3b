//! The functions, with the limits and environment that a deployment gives them.

use std::time::Duration;

use serde_json::Value;

use super::{document::Template, names};

pub struct Function {
    /// The folder under `functions/`, which is also the name of the package and its binary.
    pub name: String,
    /// Lambda ends an invocation that takes longer.
    pub timeout: Duration,
    /// In MiB.
    pub memory: u64,
    /// The variables that refer to a resource, with the resource's logical ID.
    pub resources: Vec<(String, String)>,
}

impl Template {
    #[must_use]
    pub fn functions(&self) -> Vec<Function> {
        let globals = &self.globals["Function"];
        let function = |properties: &Value| {
            let setting = |name: &str| properties[name].as_u64().or_else(|| globals[name].as_u64());
            let variables = |part: &Value| part["Environment"]["Variables"].as_object().cloned().unwrap_or_default();
            let resources = variables(globals).into_iter().chain(variables(properties));
            Some(Function {
                name: names::function(properties)?,
                // Lambda's own defaults.
                timeout: Duration::from_secs(setting("Timeout").unwrap_or(3)),
                memory: setting("MemorySize").unwrap_or(128),
                resources: resources
                    .filter_map(|(variable, value)| Some((variable, value.as_str()?.to_owned())))
                    .filter(|(_, id)| self.physical_name(id).is_some())
                    .collect(),
            })
        };
        self.of_type("AWS::Serverless::Function").filter_map(|(_, properties)| function(properties)).collect()
    }
}
