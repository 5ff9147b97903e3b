//! `docs/openapi.yaml` matches the deployed routes and the problems of the code, and `docs/api.md` matches it.

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use twostep_http::Problem;
use twostep_local::template::without_tags;
use twostep_tests::{paths::root, template::routes};

fn read(path: &str) -> Value {
    let text = fs::read_to_string(root().join(path)).expect(path);
    without_tags(serde_yaml_ng::from_str(&text).expect(path))
}

/// The target of a `$ref`, or the node itself.
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

/// The problem responses of an operation: status, response, and the names of its examples.
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
fn the_reference_describes_exactly_the_deployed_api_routes() {
    let document = read("docs/openapi.yaml");
    let described: BTreeSet<String> = operations(&document).into_iter().map(|(name, _)| name).collect();
    let deployed: BTreeSet<String> = routes()
        .into_iter()
        .filter(|route| ["/v1/", "/.well-known/", "/oauth/"].iter().any(|start| route.path.starts_with(start)))
        // A redirect to a page, for password managers.
        .filter(|route| route.path != "/.well-known/change-password")
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert_eq!(described, deployed);
}

/// The name of an example is its code, plus the field if the code applies to several fields.
fn code_of(example: &str) -> &str {
    example.split('.').next().unwrap_or_default()
}

#[test]
fn every_problem_of_the_code_is_an_example_with_the_same_body() {
    let document = read("docs/openapi.yaml");
    let examples = document["components"]["examples"].as_object().unwrap();
    let mut codes = BTreeSet::new();
    // `NotFound` is for pages and assets, which the reference doesn't describe.
    for problem in Problem::ALL.into_iter().filter(|problem| *problem != Problem::NotFound) {
        let response = problem.into_response();
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        let code = problem.code();
        let example = examples.iter().find(|(name, example)| code_of(name) == code && example["value"] == body);
        assert!(example.is_some(), "no example equals {body}");
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
fn every_error_has_its_status_and_a_retry_after_header_where_needed() {
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
    assert_eq!(answered, all, "every example belongs to a route");
}

/// Each word in backticks of `docs/api.md`, without its examples, after the text before it.
fn words_of_the_guide() -> Vec<(String, String)> {
    let guide = fs::read_to_string(root().join("docs/api.md")).unwrap();
    let text: String = guide.split("```").step_by(2).collect();
    let parts: Vec<&str> = text.split('`').collect();
    parts.chunks_exact(2).map(|pair| (pair[0].trim_end().to_owned(), pair[1].to_owned())).collect()
}

#[test]
fn the_guide_names_only_routes_and_errors_of_the_reference() {
    let document = read("docs/openapi.yaml");
    let routes: BTreeSet<String> = operations(&document).into_iter().map(|(name, _)| name).collect();
    let examples = document["components"]["examples"].as_object().unwrap();
    let errors: BTreeSet<String> = examples
        .iter()
        .map(|(name, example)| format!("{} {}", example["value"]["status"], code_of(name)))
        // The pages' own error.
        .chain(["404 not_found".to_owned()])
        .collect();
    let mut named = (0, 0);
    for (before, word) in words_of_the_guide() {
        if word.contains(" /v1/") {
            assert!(routes.contains(&word), "the reference has no {word}");
            named.0 += 1;
        }
        let status = before.rsplit(' ').next().filter(|last| last.len() == 3 && last.starts_with(['4', '5']));
        if let Some(status) = status {
            assert!(errors.contains(&format!("{status} {word}")), "the reference has no {status} {word}");
            named.1 += 1;
        }
    }
    assert!(named.0 >= 5 && named.1 >= 5, "{named:?}");
}
