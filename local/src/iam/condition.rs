//! The `Condition` element: operators, keys and values (IAM User Guide, "JSON policy elements: Condition operators" and
//! "Set operators for multivalued context keys"). Dates, IP addresses, binary values and policy variables are not
//! supported; a policy that uses them is rejected.

use serde_json::Value;

use super::{
    pattern::{arn_matches, text_matches},
    request::Context,
};
use crate::result::Result;

/// A condition key that requests can carry.
#[derive(Clone, Copy, Debug)]
pub struct ConditionKey {
    pub name: &'static str,
    /// Whether a request can carry several values of the key. Such a key needs a set operator.
    pub multivalued: bool,
}

impl ConditionKey {
    #[must_use]
    pub const fn single(name: &'static str) -> Self {
        Self { name, multivalued: false }
    }

    #[must_use]
    pub const fn many(name: &'static str) -> Self {
        Self { name, multivalued: true }
    }
}

/// One operator applied to one key. All conditions of a statement must hold.
#[derive(Clone, Debug)]
pub struct Condition {
    test: Test,
    negated: bool,
    set: Option<Set>,
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    All,
    Any,
}

#[derive(Clone, Copy, Debug)]
enum Test {
    Text,
    TextIgnoringCase,
    TextPattern,
    Bool,
    Number(fn(&f64, &f64) -> bool),
    Arn,
    Null,
}

impl Condition {
    /// All conditions of a `Condition` element.
    ///
    /// # Errors
    /// If an operator, key or value isn't supported. The error names it.
    pub fn parse_all(element: &Value, known: &[ConditionKey]) -> Result<Vec<Self>> {
        let mut conditions = Vec::new();
        for (operator, keys) in element.as_object().ok_or("Condition is not an object")? {
            for (key, values) in keys.as_object().ok_or(format!("{operator} is not an object"))? {
                conditions.push(Self::parse(operator, key, values, known)?);
            }
        }
        Ok(conditions)
    }

    fn parse(operator: &str, key: &str, values: &Value, known: &[ConditionKey]) -> Result<Self> {
        let (set, rest) = match operator.split_once(':') {
            Some(("ForAllValues", rest)) => (Some(Set::All), rest),
            Some(("ForAnyValue", rest)) => (Some(Set::Any), rest),
            _ => (None, operator),
        };
        let (name, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |name| (name, true));
        let (test, negated) = test(name).ok_or(format!("the condition operator {operator} is not supported"))?;
        if matches!(test, Test::Null) && (if_exists || set.is_some()) {
            return Err(format!("the condition operator {operator} is not supported").into());
        }
        let carried = known.iter().find(|known| known.name.eq_ignore_ascii_case(key));
        let carried = carried.ok_or(format!("no request here carries the condition key {key}"))?;
        if carried.multivalued && set.is_none() && !matches!(test, Test::Null) {
            return Err(format!("{key} can have many values; {operator} needs ForAllValues or ForAnyValue").into());
        }
        let values = texts(values).ok_or(format!("{operator} {key}: a value is not supported"))?;
        for value in &values {
            let understood = match test {
                Test::Bool | Test::Null => matches!(&*value.to_ascii_lowercase(), "true" | "false"),
                Test::Number(_) => value.parse::<f64>().is_ok(),
                Test::Text | Test::TextIgnoringCase | Test::TextPattern | Test::Arn => !value.contains("${"),
            };
            if !understood {
                return Err(format!("{operator} {key}: the value {value:?} is not supported").into());
            }
        }
        Ok(Self { test, negated, set, if_exists, key: key.to_owned(), values })
    }

    #[must_use]
    pub fn holds(&self, context: &Context) -> bool {
        let carried = context.get(&self.key);
        // Set operators and `Null` treat an empty value as absent.
        let filled = || carried.iter().filter(|value| !value.is_empty());
        if matches!(self.test, Test::Null) {
            let absent = filled().next().is_none();
            return self.values.iter().any(|value| value.eq_ignore_ascii_case("true") == absent);
        }
        match self.set {
            Some(Set::All) => filled().all(|value| self.accepts(value)),
            Some(Set::Any) if filled().next().is_none() => self.if_exists,
            Some(Set::Any) => filled().any(|value| self.accepts(value)),
            None if carried.is_empty() => self.if_exists || self.negated,
            None => carried.iter().all(|value| self.accepts(value)),
        }
    }

    /// Compares one carried value with all values of the policy. A positive operator accepts it if any value matches, a
    /// negated operator if none does.
    fn accepts(&self, carried: &str) -> bool {
        let found = self.values.iter().any(|value| match self.test {
            Test::Text => value == carried,
            Test::TextIgnoringCase => value.to_lowercase() == carried.to_lowercase(),
            Test::TextPattern => text_matches(value, carried),
            Test::Bool => value.eq_ignore_ascii_case(carried),
            Test::Number(compare) => {
                carried.parse().is_ok_and(|carried| value.parse().is_ok_and(|value| compare(&carried, &value)))
            }
            Test::Arn => arn_matches(value, carried),
            Test::Null => false,
        });
        found != self.negated
    }
}

fn test(operator: &str) -> Option<(Test, bool)> {
    Some(match operator {
        "StringEquals" => (Test::Text, false),
        "StringNotEquals" => (Test::Text, true),
        "StringEqualsIgnoreCase" => (Test::TextIgnoringCase, false),
        "StringNotEqualsIgnoreCase" => (Test::TextIgnoringCase, true),
        "StringLike" => (Test::TextPattern, false),
        "StringNotLike" => (Test::TextPattern, true),
        "Bool" => (Test::Bool, false),
        "NumericEquals" => (Test::Number(f64::eq), false),
        "NumericNotEquals" => (Test::Number(f64::eq), true),
        "NumericLessThan" => (Test::Number(f64::lt), false),
        "NumericLessThanEquals" => (Test::Number(f64::le), false),
        "NumericGreaterThan" => (Test::Number(f64::gt), false),
        "NumericGreaterThanEquals" => (Test::Number(f64::ge), false),
        // Both names of each pair behave the same.
        "ArnEquals" | "ArnLike" => (Test::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Test::Arn, true),
        "Null" => (Test::Null, false),
        _ => return None,
    })
}

fn texts(values: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    };
    match values {
        Value::Array(values) => values.iter().map(one).collect(),
        value => Some(vec![one(value)?]),
    }
}
