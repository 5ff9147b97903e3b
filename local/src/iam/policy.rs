//! Policy documents of identities and boundaries (IAM User Guide, "Grammar of the IAM JSON policy language"). A
//! document with an unsupported part is rejected, because ignoring the part could allow too much.

use serde_json::Value;

use super::{
    condition::{Condition, ConditionKey},
    pattern::{action_matches, resource_matches},
    request::Request,
};
use crate::result::Result;

#[derive(Clone, Debug)]
pub struct Policy {
    pub name: String,
    pub statements: Vec<Statement>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

#[derive(Clone, Debug)]
pub struct Statement {
    pub effect: Effect,
    pub actions: Patterns,
    pub resources: Patterns,
    conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug)]
pub enum Patterns {
    AnyOf(Vec<String>),
    NoneOf(Vec<String>),
}

impl Policy {
    /// # Errors
    /// If an element or a value isn't supported. The error names it.
    pub fn parse(name: &str, document: &Value, keys: &[ConditionKey]) -> Result<Self> {
        let parsed = || -> Result<Self> {
            only(document, &["Version", "Id", "Statement"])?;
            if document["Version"] != "2012-10-17" {
                return Err("Version is not 2012-10-17".into());
            }
            let statements = match &document["Statement"] {
                Value::Array(statements) => statements.iter().map(|one| Statement::parse(one, keys)).collect(),
                one => Statement::parse(one, keys).map(|one| vec![one]),
            };
            Ok(Self { name: name.to_owned(), statements: statements? })
        };
        parsed().map_err(|error| format!("policy {name}: {error}").into())
    }
}

impl Statement {
    fn parse(statement: &Value, keys: &[ConditionKey]) -> Result<Self> {
        only(statement, &["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"])?;
        let effect = match statement["Effect"].as_str() {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            _ => return Err("Effect is neither Allow nor Deny".into()),
        };
        let actions = Patterns::parse(statement, "Action", "NotAction", is_action)?;
        let resources = Patterns::parse(statement, "Resource", "NotResource", is_resource)?;
        let conditions = match statement.get("Condition") {
            Some(element) => Condition::parse_all(element, keys)?,
            None => Vec::new(),
        };
        Ok(Self { effect, actions, resources, conditions })
    }

    /// The action pattern and the resource pattern that match the request, if the statement applies to it.
    #[must_use]
    pub fn applies(&self, request: &Request) -> Option<(&str, &str)> {
        let action = self.actions.find(|pattern| action_matches(pattern, &request.action))?;
        let resource = self.resources.find(|pattern| resource_matches(pattern, &request.resource))?;
        self.conditions.iter().all(|condition| condition.holds(&request.context)).then_some((action, resource))
    }
}

impl Patterns {
    fn parse(statement: &Value, name: &str, inverse: &str, understood: impl Fn(&str) -> bool) -> Result<Self> {
        let list = |name: &str| -> Result<Vec<String>> {
            let values = match &statement[name] {
                Value::Array(values) => values.iter().collect(),
                one => vec![one],
            };
            let text = |value: &Value| {
                let text = value.as_str().filter(|text| understood(text));
                Ok(text.ok_or(format!("{name} {value} is not supported"))?.to_owned())
            };
            values.into_iter().map(text).collect()
        };
        match (statement.get(name), statement.get(inverse)) {
            (Some(_), None) => Ok(Self::AnyOf(list(name)?)),
            (None, Some(_)) => Ok(Self::NoneOf(list(inverse)?)),
            _ => Err(format!("a statement needs either {name} or {inverse}").into()),
        }
    }

    /// The pattern that `matches` accepts. For an exclusion, returns `*` if `matches` accepts none of the patterns.
    fn find(&self, matches: impl Fn(&str) -> bool) -> Option<&str> {
        match self {
            Self::AnyOf(patterns) => patterns.iter().map(String::as_str).find(|pattern| matches(pattern)),
            Self::NoneOf(patterns) => (!patterns.iter().any(|pattern| matches(pattern))).then_some("*"),
        }
    }

    /// All patterns that [`Statement::applies`] can return.
    #[must_use]
    pub fn listed(&self) -> Vec<&str> {
        match self {
            Self::AnyOf(patterns) => patterns.iter().map(String::as_str).collect(),
            Self::NoneOf(_) => vec!["*"],
        }
    }
}

fn is_action(text: &str) -> bool {
    let of_service = |(service, name): (&str, &str)| {
        let plain = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
        !service.is_empty() && plain(service, "-") && !name.is_empty() && plain(name, "*?")
    };
    text == "*" || text.split_once(':').is_some_and(of_service)
}

fn is_resource(text: &str) -> bool {
    text == "*" || (text.starts_with("arn:") && text.split(':').count() >= 6 && !text.contains("${"))
}

fn only(object: &Value, names: &[&str]) -> Result<()> {
    let fields = object.as_object().ok_or(format!("{object} is not an object"))?;
    match fields.keys().find(|field| !names.contains(&field.as_str())) {
        Some(unknown) => Err(format!("the element {unknown} is not supported").into()),
        None => Ok(()),
    }
}
