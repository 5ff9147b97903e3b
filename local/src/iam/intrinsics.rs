//! CloudFormation's intrinsic functions, resolved as in a deployment with default parameters (CloudFormation User
//! Guide, "Intrinsic function reference"). An unsupported function is an error.

use serde_json::{Map, Value};

use crate::{arn, result::Result, template::physical_name};

/// Marks the result of `AWS::NoValue` until the surrounding list or object drops it.
const NO_VALUE: &str = "AWS::NoValue";

pub struct Resolver<'a> {
    template: &'a Value,
}

impl<'a> Resolver<'a> {
    #[must_use]
    pub fn new(template: &'a Value) -> Self {
        Self { template }
    }

    /// Resolves all intrinsic functions in `value`.
    ///
    /// # Errors
    /// If a function, parameter or resource isn't supported. The error names it.
    pub fn resolve(&self, value: &Value) -> Result<Value> {
        match value {
            Value::Array(items) => {
                let mut resolved = Vec::new();
                for item in items {
                    if !self.is_no_value(item)? {
                        resolved.push(self.resolve(item)?);
                    }
                }
                Ok(resolved.into())
            }
            Value::Object(fields) => {
                if let Some((function, argument)) = call(fields) {
                    return self.call(function, argument);
                }
                let mut resolved = Map::new();
                for (name, field) in fields {
                    if !self.is_no_value(field)? {
                        resolved.insert(name.clone(), self.resolve(field)?);
                    }
                }
                Ok(resolved.into())
            }
            plain => Ok(plain.clone()),
        }
    }

    /// Evaluates the template's condition `name`.
    ///
    /// # Errors
    /// If the condition isn't supported.
    pub fn condition(&self, name: &str) -> Result<bool> {
        let condition = &self.template["Conditions"][name];
        if condition.is_null() {
            return Err(format!("there is no condition {name}").into());
        }
        self.holds(condition)
    }

    fn is_no_value(&self, value: &Value) -> Result<bool> {
        let Some((function, argument)) = value.as_object().and_then(call) else { return Ok(false) };
        match function {
            "Ref" => Ok(argument == NO_VALUE),
            "Fn::If" => self.is_no_value(self.branch(argument)?),
            _ => Ok(false),
        }
    }

    fn call(&self, function: &str, argument: &Value) -> Result<Value> {
        match function {
            "Ref" => self.reference(text(argument)?).map(Value::String),
            "Fn::GetAtt" => {
                let (resource, attribute) = match argument {
                    Value::Array(parts) if parts.len() == 2 => (text(&parts[0])?, text(&parts[1])?),
                    dotted => text(dotted)?.split_once('.').ok_or("Fn::GetAtt without an attribute")?,
                };
                self.attribute(resource, attribute).map(Value::String)
            }
            "Fn::Sub" => self.substitute(argument).map(Value::String),
            "Fn::Join" => {
                let parts = self.resolve(&argument[1])?;
                let parts = parts.as_array().ok_or("Fn::Join without a list")?.iter().map(text);
                Ok(parts.collect::<Result<Vec<_>>>()?.join(text(&argument[0])?).into())
            }
            "Fn::If" => self.resolve(self.branch(argument)?),
            other => Err(format!("{other} is not supported").into()),
        }
    }

    fn branch<'v>(&self, argument: &'v Value) -> Result<&'v Value> {
        match argument.as_array().map(Vec::as_slice) {
            Some([condition, met, unmet]) => Ok(if self.condition(text(condition)?)? { met } else { unmet }),
            _ => Err("Fn::If takes a condition and two values".into()),
        }
    }

    fn holds(&self, condition: &Value) -> Result<bool> {
        let (function, argument) = condition.as_object().and_then(call).ok_or("a condition is one function")?;
        let parts = || argument.as_array().ok_or(format!("{function} takes a list"));
        match function {
            "Condition" => self.condition(text(argument)?),
            "Fn::Equals" => match parts()?.as_slice() {
                // Parameters are strings, so compare both sides as strings.
                [one, other] => Ok(plain(&self.resolve(one)?) == plain(&self.resolve(other)?)),
                _ => Err("Fn::Equals takes two values".into()),
            },
            "Fn::Not" => Ok(!self.holds(&argument[0])?),
            "Fn::And" => parts()?.iter().try_fold(true, |all, part| Ok(all & self.holds(part)?)),
            "Fn::Or" => parts()?.iter().try_fold(false, |any, part| Ok(any | self.holds(part)?)),
            other => Err(format!("{other} is not supported in a condition").into()),
        }
    }

    fn substitute(&self, argument: &Value) -> Result<String> {
        let (template, variables) = match argument {
            Value::Array(parts) if parts.len() == 2 => (text(&parts[0])?, &parts[1]),
            template => (text(template)?, &Value::Null),
        };
        let mut result = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').ok_or("Fn::Sub with an unclosed ${")?;
            result += before;
            if let Some(literal) = name.strip_prefix('!') {
                result += &["${", literal, "}"].concat();
            } else if let Some(value) = variables.get(name) {
                result += text(&self.resolve(value)?)?;
            } else if let Some((resource, attribute)) = name.split_once('.') {
                result += &self.attribute(resource, attribute)?;
            } else {
                result += &self.reference(name)?;
            }
            rest = after;
        }
        Ok(result + rest)
    }

    fn reference(&self, name: &str) -> Result<String> {
        match name {
            "AWS::Partition" => return Ok(arn::PARTITION.to_owned()),
            "AWS::Region" => return Ok(arn::REGION.to_owned()),
            "AWS::AccountId" => return Ok(arn::ACCOUNT.to_owned()),
            "AWS::StackName" => return Ok("twostep".to_owned()),
            _ => {}
        }
        let parameter = &self.template["Parameters"][name];
        if !parameter.is_null() {
            let default = &parameter["Default"];
            return if default.is_null() { Err(format!("{name} has no default").into()) } else { Ok(plain(default)) };
        }
        let (kind, called) = self.resource(name)?;
        match kind {
            "AWS::DynamoDB::Table" => Ok(called),
            "AWS::SecretsManager::Secret" => Ok(arn::secret(&called)),
            "AWS::SQS::Queue" => Ok(format!("https://sqs.{}.amazonaws.com/{}/{called}", arn::REGION, arn::ACCOUNT)),
            "AWS::Lambda::Function" | "AWS::Logs::LogGroup" | "AWS::IAM::Role" => Ok(name.to_owned()),
            "AWS::SNS::Topic" => Ok(arn::regional("sns", name)),
            _ => Err(format!("a reference to {name}, of type {kind}, is not supported").into()),
        }
    }

    fn attribute(&self, name: &str, attribute: &str) -> Result<String> {
        let (kind, called) = self.resource(name)?;
        match (kind, attribute) {
            ("AWS::DynamoDB::Table", "Arn") => Ok(arn::table(&called)),
            ("AWS::DynamoDB::Table", "StreamArn") => Ok(arn::stream(&called)),
            ("AWS::SecretsManager::Secret", "Id") => Ok(arn::secret(&called)),
            ("AWS::SQS::Queue", "Arn") => Ok(arn::queue(&called)),
            ("AWS::SQS::Queue", "QueueName") => Ok(called),
            ("AWS::Logs::LogGroup", "Arn") => Ok(arn::regional("logs", &format!("log-group:{name}:*"))),
            ("AWS::Lambda::Function", "Arn") => Ok(arn::regional("lambda", &format!("function:{name}"))),
            _ => Err(format!("the attribute {attribute} of {name}, of type {kind}, is not supported").into()),
        }
    }

    /// A resource's type and its name on the laptop.
    fn resource(&self, name: &str) -> Result<(&'a str, String)> {
        let resource = &self.template["Resources"][name];
        let kind = resource["Type"].as_str().ok_or(format!("the template has no resource or parameter {name}"))?;
        Ok((kind, physical_name(name, resource).unwrap_or_else(|| name.to_owned())))
    }
}

/// A function call is an object with one field, the function's name.
fn call(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = fields.iter().next().filter(|_| fields.len() == 1)?;
    let is_function = name.starts_with("Fn::") || name == "Ref" || (name == "Condition" && argument.is_string());
    is_function.then_some((name.as_str(), argument))
}

fn text(value: &Value) -> Result<&str> {
    Ok(value.as_str().ok_or(format!("{value} is not a string"))?)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template() -> Value {
        json!({
            "Parameters": {
                "Tracing": { "Type": "String", "Default": "Disabled" },
                "Reserved": { "Type": "Number", "Default": 5 },
                "Token": { "Type": "String" },
            },
            "Conditions": {
                "Traced": { "Fn::Equals": [{ "Ref": "Tracing" }, "Active"] },
                "IsReserved": { "Fn::Not": [{ "Fn::Equals": [{ "Ref": "Reserved" }, 0] }] },
                "Both": { "Fn::And": [{ "Condition": "Traced" }, { "Condition": "IsReserved" }] },
                "Either": { "Fn::Or": [{ "Condition": "Traced" }, { "Condition": "IsReserved" }] },
            },
            "Resources": {
                "UsersTable": { "Type": "AWS::DynamoDB::Table" },
                "KeysSecret": { "Type": "AWS::SecretsManager::Secret" },
                "AuditEventsTable": { "Type": "AWS::DynamoDB::Table" },
                "LaterQueue": { "Type": "AWS::SQS::Queue" },
                "OtherQueue": { "Type": "AWS::SQS::Queue", "Properties": { "QueueName": "parked" } },
                "WebLogGroup": { "Type": "AWS::Logs::LogGroup" },
                "Bucket": { "Type": "AWS::S3::Bucket" },
            },
        })
    }

    #[test]
    fn functions_become_what_a_deployment_with_the_defaults_has() {
        let template = template();
        let resolver = Resolver::new(&template);
        for (value, expected) in [
            (json!({ "Ref": "UsersTable" }), json!("users")),
            (json!({ "Ref": "AuditEventsTable" }), json!("audit-events")),
            (json!({ "Fn::GetAtt": ["OtherQueue", "QueueName"] }), json!("parked")),
            (json!({ "Ref": "AWS::AccountId" }), json!("123456789012")),
            (json!({ "Fn::Sub": "/logs/${AWS::StackName}/*" }), json!("/logs/twostep/*")),
            (json!({ "Ref": "Tracing" }), json!("Disabled")),
            (
                json!({ "Fn::GetAtt": ["UsersTable", "Arn"] }),
                json!("arn:aws:dynamodb:us-east-1:123456789012:table/users"),
            ),
            (json!({ "Fn::GetAtt": "LaterQueue.Arn" }), json!("arn:aws:sqs:us-east-1:123456789012:later-queue")),
            (
                json!({ "Ref": "KeysSecret" }),
                json!("arn:aws:secretsmanager:us-east-1:123456789012:secret:twostep/keys-Laptop"),
            ),
            (
                json!({ "Fn::GetAtt": ["WebLogGroup", "Arn"] }),
                json!("arn:aws:logs:us-east-1:123456789012:log-group:WebLogGroup:*"),
            ),
            (
                json!({ "Fn::Sub": "${UsersTable.Arn}/index/* in ${AWS::Region}, ${!kept}" }),
                json!("arn:aws:dynamodb:us-east-1:123456789012:table/users/index/* in us-east-1, ${kept}"),
            ),
            (json!({ "Fn::Sub": ["${A}/${UsersTable}", { "A": { "Ref": "Tracing" } }] }), json!("Disabled/users")),
            (json!({ "Fn::Join": ["/", ["a", { "Ref": "UsersTable" }]] }), json!("a/users")),
            (json!([{ "Fn::If": ["Traced", "x", { "Ref": "AWS::NoValue" }] }, "y"]), json!(["y"])),
            (json!({ "a": { "Ref": "AWS::NoValue" }, "b": { "Fn::If": ["IsReserved", 1, 2] } }), json!({ "b": 1 })),
            (json!({ "Fn::If": ["Both", 1, 2] }), json!(2)),
            (json!({ "Fn::If": ["Either", 1, 2] }), json!(1)),
            // A statement's own element, not a function.
            (
                json!({ "Condition": { "Bool": { "a:b": "true" } } }),
                json!({ "Condition": { "Bool": { "a:b": "true" } } }),
            ),
        ] {
            assert_eq!(resolver.resolve(&value).unwrap(), expected, "{value}");
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error_that_names_it() {
        let template = template();
        let resolver = Resolver::new(&template);
        for (value, named) in [
            (json!({ "Fn::ImportValue": "x" }), "Fn::ImportValue"),
            (json!({ "Ref": "Nothing" }), "Nothing"),
            (json!({ "Ref": "Token" }), "Token"),
            (json!({ "Ref": "Bucket" }), "AWS::S3::Bucket"),
            (json!({ "Fn::GetAtt": ["UsersTable", "Name"] }), "Name"),
            (json!({ "Fn::If": ["Unknown", 1, 2] }), "Unknown"),
        ] {
            let error = resolver.resolve(&value).unwrap_err().to_string();
            assert!(error.contains(named), "{value}: {error}");
        }
    }
}
