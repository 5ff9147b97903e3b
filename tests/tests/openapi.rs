//! `docs/openapi.yaml`, the deployed routes, `docs/api.md` and the code's problems say the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::Value;
use twostep::http::Problem;
use twostep_local::template::without_tags;
use twostep_tests::{stack::root, template::routes};

fn read(path: &str) -> Value {
    let text = fs::read_to_string(root().join(path)).expect(path);
    without_tags(serde_yaml_ng::from_str(&text).expect(path))
}

/// What a `$ref` stands for.
fn resolve<'a>(document: &'a Value, node: &'a Value) -> &'a Value {
    match node["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect(reference),
        None => node,
    }
}

/// (`METHOD /path`, operation)
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let each = |(path, methods): (&String, &'_ Value)| -> Vec<(String, _)> {
        let methods = methods.as_object().unwrap().keys();
        methods.map(|method| (format!("{} {path}", method.to_uppercase()), (path.clone(), method.clone()))).collect()
    };
    let names = paths.flat_map(each);
    names.map(|(name, (path, method))| (name, &document["paths"][path][method])).collect()
}

/// The answers of an operation that are problems: status, answer, the codes of its examples.
fn problems<'a>(document: &'a Value, operation: &'a Value) -> Vec<(&'a str, &'a Value, Vec<&'a str>)> {
    let answers = operation["responses"].as_object().unwrap().iter();
    answers
        .map(|(status, answer)| (status.as_str(), resolve(document, answer)))
        .filter_map(|(status, answer)| {
            let examples = answer["content"]["application/problem+json"]["examples"].as_object()?;
            Some((status, answer, examples.keys().map(String::as_str).collect()))
        })
        .collect()
}

#[test]
fn every_deployed_route_of_the_api_is_described_and_no_other() {
    let document = read("docs/openapi.yaml");
    let described: BTreeSet<String> = operations(&document).into_iter().map(|(name, _)| name).collect();
    let deployed: BTreeSet<String> = routes()
        .into_iter()
        .filter(|route| route.path.starts_with("/v1/") || route.path.starts_with("/.well-known/"))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert_eq!(described, deployed);
}

/// An example is named by its code, and where a code speaks of more than one field, by the field as well.
fn code_of(example: &str) -> &str {
    example.split('.').next().unwrap_or_default()
}

#[test]
fn every_problem_of_the_code_is_an_example_as_it_is_really_answered() {
    let document = read("docs/openapi.yaml");
    let examples = document["components"]["examples"].as_object().unwrap();
    let mut codes = BTreeSet::new();
    // Of assets and unknown paths, which are no part of the described API.
    for problem in Problem::ALL.into_iter().filter(|problem| *problem != Problem::NotFound) {
        let response = problem.into_response();
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        let code = problem.code();
        let example = examples.iter().find(|(name, example)| code_of(name) == code && example["value"] == body);
        assert!(example.is_some(), "no example is {body}");
        assert_eq!(Some(u64::from(response.status().as_u16())), body["status"].as_u64());
        codes.insert(code);
    }
    let shown: BTreeSet<&str> = examples.keys().map(|name| code_of(name)).collect();
    assert_eq!(shown, codes);
    let schema = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"].as_array().unwrap();
    let listed: BTreeSet<&str> = schema.iter().map(|code| code.as_str().unwrap()).collect();
    assert_eq!(listed, codes);
}

#[test]
fn every_error_says_its_status_and_when_to_come_back() {
    let document = read("docs/openapi.yaml");
    let mut answered = BTreeSet::new();
    for (name, operation) in operations(&document) {
        for (status, answer, codes) in problems(&document, operation) {
            assert!(!codes.is_empty(), "{name} {status}");
            for code in codes {
                let example = &answer["content"]["application/problem+json"]["examples"][code];
                let value = &resolve(&document, example)["value"];
                assert_eq!(
                    (value["code"].as_str(), value["status"].to_string().as_str()),
                    (Some(code_of(code)), status),
                    "{name}"
                );
                answered.insert(code.to_owned());
            }
            let waits = status == "429" || status == "503";
            assert_eq!(!answer["headers"]["Retry-After"].is_null(), waits, "{name} {status}");
        }
        let statuses = operation["responses"].as_object().unwrap();
        let asks_for_a_key = operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty());
        assert!(!asks_for_a_key || statuses.contains_key("401"), "{name}");
        let reads_a_body = operation["requestBody"]["required"] == true;
        assert!(!reads_a_body || statuses.contains_key("400"), "{name}");
    }
    let all: BTreeSet<String> = document["components"]["examples"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(answered, all, "every code is an answer of some route");
}

#[test]
fn the_table_of_routes_and_the_description_name_the_same_errors() {
    let document = read("docs/openapi.yaml");
    let described: BTreeMap<String, BTreeSet<&str>> = operations(&document)
        .into_iter()
        .map(|(name, operation)| {
            let codes = problems(&document, operation).into_iter().flat_map(|(.., codes)| codes).map(code_of).collect();
            (name, codes)
        })
        .collect();
    let table = fs::read_to_string(root().join("docs/api.md")).unwrap();
    let known = document["components"]["examples"].as_object().unwrap();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let name = row.split('`').nth(1).unwrap();
        let codes = row.split('`').filter(|word| known.contains_key(*word));
        let Some(described) = described.get(name) else { continue };
        let mut named: BTreeSet<&str> = codes.collect();
        if row.contains("as for `/v1/register/phone`") {
            named.extend(["invalid_phone", "phone_not_allowed", "too_many_codes", "too_many_requests"]);
            named.extend(["sms_disabled", "sms_budget_spent"]);
        }
        // Said once for all routes.
        let everywhere = ["invalid_request", "temporarily_unavailable", "foreign_origin", "not_found"];
        let described: BTreeSet<&str> = described.iter().copied().filter(|code| !everywhere.contains(code)).collect();
        named.retain(|code| !everywhere.contains(code));
        assert_eq!(described, named, "{name}");
    }
}
