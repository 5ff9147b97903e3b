//! The functions' roles, with their policies and boundaries, from the template as SAM expands it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{calls, intrinsics::Resolver, policy::Policy};
use crate::result::Result;

/// The AWS managed policies that SAM attaches, as in the AWS Managed Policy Reference Guide.
const MANAGED_POLICIES: &str = include_str!("managed_policies.json");
const MANAGED_PREFIXES: [&str; 2] = ["arn:aws:iam::aws:policy/service-role/", "arn:aws:iam::aws:policy/"];

pub struct Role {
    /// The role's logical ID in the template.
    pub name: String,
    pub policies: Vec<Policy>,
    pub boundary: Option<Policy>,
    /// The ARNs of the streams and queues that Lambda reads with this role.
    pub event_sources: Vec<String>,
    /// The ARNs of the queues to which Lambda sends failed records with this role.
    pub failure_destinations: Vec<String>,
}

/// Roles by the name of the function's folder.
pub type Roles = BTreeMap<String, Role>;

/// # Errors
/// If a part of a function's role isn't supported. The error names both.
pub fn read(template: &Value) -> Result<Roles> {
    let resources = template["Resources"].as_object().ok_or("the expanded template has no resources")?;
    let functions = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::Lambda::Function");
    let reader = Reader { template, resolver: Resolver::new(template) };
    let roles = functions.map(|(logical_id, function)| {
        let named = |error| format!("the role of {logical_id}: {error}");
        let key = function["Properties"]["Code"]["S3Key"].as_str().unwrap_or_default();
        let folder = key.strip_prefix("functions/").ok_or_else(|| named("its code is not in functions/".into()))?;
        Ok((folder.to_owned(), reader.role(logical_id, &function["Properties"]).map_err(named)?))
    });
    let roles = roles.collect::<Result<Roles>>()?;
    if roles.is_empty() { Err("the expanded template has no functions".into()) } else { Ok(roles) }
}

struct Reader<'a> {
    template: &'a Value,
    resolver: Resolver<'a>,
}

impl Reader<'_> {
    fn role(&self, function: &str, properties: &Value) -> Result<Role> {
        let name = properties["Role"]["Fn::GetAtt"][0].as_str().ok_or("it is not defined in this template")?;
        let role = &self.template["Resources"][name];
        if role["Type"] != "AWS::IAM::Role" {
            return Err(format!("{name} is not a role of this template").into());
        }
        let role = &role["Properties"];
        let mut policies = Vec::new();
        for inline in list(&self.resolver.resolve(&role["Policies"])?) {
            policies.push(parse(inline["PolicyName"].as_str().unwrap_or("unnamed"), &inline["PolicyDocument"])?);
        }
        for managed in list(&role["ManagedPolicyArns"]) {
            policies.extend(self.managed(managed)?);
        }
        policies.extend(self.attached_elsewhere(name)?);
        let boundary = match &role["PermissionsBoundary"] {
            Value::Null => None,
            boundary => self.managed(boundary)?,
        };
        let event_sources = self.of_mappings(function, |mapping| &mapping["EventSourceArn"])?;
        let failure_destinations =
            self.of_mappings(function, |mapping| &mapping["DestinationConfig"]["OnFailure"]["Destination"])?;
        Ok(Role { name: name.to_owned(), policies, boundary, event_sources, failure_destinations })
    }

    /// A managed policy of the template or of AWS. `None` if a condition leaves it out.
    fn managed(&self, policy: &Value) -> Result<Option<Policy>> {
        if let Some(name) = policy["Ref"].as_str().filter(|name| self.template["Resources"].get(name).is_some()) {
            return self.of_template(name).map(Some);
        }
        let resolved = self.resolver.resolve(&Value::Array(vec![policy.clone()]))?;
        let Some(arn) = resolved.get(0) else { return Ok(None) };
        let arn = arn.as_str().ok_or("a managed policy without an ARN")?;
        let name = MANAGED_PREFIXES.iter().find_map(|prefix| arn.strip_prefix(prefix)).unwrap_or(arn);
        let known: Value = serde_json::from_str(MANAGED_POLICIES)?;
        let document = known.get(name).ok_or(format!("the managed policy {arn} is not in managed_policies.json"))?;
        parse(name, document).map(Some)
    }

    fn of_template(&self, name: &str) -> Result<Policy> {
        let document = &self.template["Resources"][name]["Properties"]["PolicyDocument"];
        parse(name, &self.resolver.resolve(document)?)
    }

    /// Policies that are separate resources and name this role.
    fn attached_elsewhere(&self, role: &str) -> Result<Vec<Policy>> {
        let mut policies = Vec::new();
        for (name, resource) in self.template["Resources"].as_object().into_iter().flatten() {
            let properties = &resource["Properties"];
            let attached = match resource["Type"].as_str() {
                Some("AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy") => list(&properties["Roles"]),
                Some("AWS::IAM::RolePolicy") => vec![&properties["RoleName"]],
                _ => continue,
            };
            let present = || resource["Condition"].as_str().map_or(Ok(true), |name| self.resolver.condition(name));
            if attached.iter().any(|attached| attached["Ref"] == role) && present()? {
                policies.push(self.of_template(name)?);
            }
        }
        Ok(policies)
    }

    /// One ARN of each event source mapping of the function, where present.
    fn of_mappings(&self, function: &str, part: impl Fn(&Value) -> &Value) -> Result<Vec<String>> {
        let resources = self.template["Resources"].as_object().into_iter().flatten();
        let mappings = resources
            .map(|(_, resource)| resource)
            .filter(|resource| resource["Type"] == "AWS::Lambda::EventSourceMapping")
            .map(|mapping| &mapping["Properties"])
            .filter(|mapping| mapping["FunctionName"]["Ref"] == function);
        let parts = mappings.map(part).filter(|part| !part.is_null());
        let arn = |part: &Value| -> Result<String> {
            Ok(self.resolver.resolve(part)?.as_str().ok_or("an event source mapping without an ARN")?.to_owned())
        };
        parts.map(arn).collect()
    }
}

fn parse(name: &str, document: &Value) -> Result<Policy> {
    Policy::parse(name, document, &calls::condition_keys())
}

fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}
