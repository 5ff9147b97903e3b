//! Event patterns (Lambda developer guide, "Filter rule syntax"): objects name fields, lists contain the allowed
//! values.

use serde_json::Value;

use crate::result::Result;

/// # Errors
/// If the pattern uses an unsupported rule.
pub fn check(pattern: &Value) -> Result<()> {
    match pattern {
        Value::Object(fields) => fields.values().try_for_each(check),
        Value::Array(rules) if rules.iter().all(is_known) => Ok(()),
        other => Err(format!("the laptop's event sources don't support the filter rule {other}").into()),
    }
}

fn is_known(rule: &Value) -> bool {
    let Some(rule) = rule.as_object() else { return !rule.is_array() };
    rule.len() == 1 && rule.keys().all(|name| ["exists", "prefix", "anything-but"].contains(&name.as_str()))
}

/// Whether `value` matches one of `patterns`. An empty list admits everything.
#[must_use]
pub fn admit(patterns: &[Value], value: &Value) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, value))
}

fn matches(pattern: &Value, value: &Value) -> bool {
    match pattern {
        Value::Object(fields) => fields.iter().all(|(name, pattern)| matches(pattern, &value[name])),
        Value::Array(rules) => rules.iter().any(|rule| satisfies(rule, value)),
        _ => false,
    }
}

fn satisfies(rule: &Value, value: &Value) -> bool {
    let Some((name, operand)) = rule.as_object().and_then(|rule| rule.iter().next()) else { return rule == value };
    match name.as_str() {
        "exists" => operand == &Value::Bool(!value.is_null()),
        "prefix" => value.as_str().zip(operand.as_str()).is_some_and(|(value, prefix)| value.starts_with(prefix)),
        "anything-but" => !value.is_null() && !operand.as_array().map_or(operand == value, |list| list.contains(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pattern_matches_what_has_one_of_its_values_in_every_field() {
        let pattern = json!({"dynamodb":{"NewImage":{"delivery":{"S":["pending"]},"decoy":{"BOOL":[false]}}}});
        let record = |delivery: &str, decoy: bool| json!({"dynamodb":{"NewImage":{"delivery":{"S":delivery},"decoy":{"BOOL":decoy}}}});
        assert!(matches(&pattern, &record("pending", false)));
        assert!(!matches(&pattern, &record("pending", true)));
        assert!(!matches(&pattern, &record("sent", false)));
        assert!(!matches(&pattern, &json!({"dynamodb":{"Keys":{}}})));
    }

    #[test]
    fn rules_other_than_equality() {
        let holds = |rule: Value, value: Value| matches(&json!({ "a": [rule] }), &json!({ "a": value }));
        assert!(holds(json!({ "exists": true }), json!("x")) && holds(json!({ "exists": false }), Value::Null));
        assert!(holds(json!({ "prefix": "ab" }), json!("abc")) && !holds(json!({ "prefix": "ab" }), json!("b")));
        assert!(
            holds(json!({ "anything-but": ["x"] }), json!("y")) && !holds(json!({ "anything-but": ["x"] }), json!("x"))
        );
    }

    #[test]
    fn a_rule_that_is_not_known_is_refused() {
        assert!(check(&json!({ "a": { "b": ["x", null, { "exists": true }] } })).is_ok());
        assert!(check(&json!({ "a": [{ "numeric": [">", 1] }] })).is_err());
        assert!(check(&json!({ "a": "x" })).is_err());
    }
}
