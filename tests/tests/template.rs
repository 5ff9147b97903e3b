//! `template.yaml` is valid. It, the local gateway, the API reference and the list of pages in `docs/api.md` name the
//! same routes. `deployment.rs` tests what the template deploys.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;
use strum::IntoEnumIterator;
use twostep_runtime::metrics::Name;
use twostep_tests::{
    paths::root,
    template::{Route, functions, routes, served_routes},
};

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

/// The routes of the reference.
fn described() -> BTreeSet<(String, String)> {
    let document: Value = serde_yaml_ng::from_str(&read("docs/openapi.yaml")).unwrap();
    let methods = |path: &String, item: &Value| -> Vec<(String, String)> {
        item.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())).collect()
    };
    document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| methods(path, item)).collect()
}

/// The pages, which the reference leaves to the guide.
fn pages() -> BTreeSet<(String, String)> {
    read("docs/api.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`')?.0.split_once(' '))
        .map(|(method, path)| (method.to_owned(), path.to_owned()))
        .collect()
}

#[test]
fn template_gateway_and_documents_name_the_same_routes() {
    let template = routes();
    assert!(template.len() >= 16);
    assert_eq!(template, served_routes());
    let preflights = |route: &Route| route.method == "OPTIONS" && route.path == "/{path+}";
    assert!(template.iter().any(preflights));
    let deployed: BTreeSet<(String, String)> =
        template.into_iter().filter(|route| !preflights(route)).map(|route| (route.method, route.path)).collect();
    assert!(described().is_disjoint(&pages()), "a route is documented in one place");
    assert_eq!(deployed, &described() | &pages());
}

fn metric_names() -> Vec<&'static str> {
    Name::iter().map(Into::into).collect()
}

#[test]
fn dashboard_and_alarms_watch_exactly_the_metrics_of_the_code() {
    let text = read("template.yaml");
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).collect::<BTreeSet<_>>();
    for name in metric_names() {
        assert!(words.contains(name), "no dashboard or alarm watches {name}");
    }
    let before = ["[\"TwoStep/${AWS::StackName}\", \"", "Namespace: !Sub \"TwoStep/${AWS::StackName}\", MetricName: "];
    let watched = before.into_iter().flat_map(|start| text.split(start).skip(1));
    let name = |rest: &str| rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned();
    for name in watched.map(name) {
        assert!(metric_names().contains(&name.as_str()), "there is no metric {name}");
    }
    for shared in ["Namespace: TwoStep", "[\"TwoStep\"", "{TwoStep,", "SCHEMA(\"TwoStep\""] {
        assert!(!text.contains(shared), "{shared}: the namespace must name the stack");
    }
}

#[test]
fn every_function_is_deployed_and_every_deployed_function_exists() {
    let deployed: BTreeSet<String> = functions().into_keys().collect();
    let folders = fs::read_dir(root().join("functions")).unwrap();
    let present: BTreeSet<String> = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(deployed, present);
    for name in present {
        let main = read(&format!("functions/{name}/src/main.rs"));
        assert!(main.lines().count() <= 65, "{name}: main.rs must stay short");
        // `twostep_http::serve` does it for requests.
        let handles_events = main.contains("lambda_runtime::run(");
        assert_eq!(handles_events, main.contains("with_request_id("), "{name}: log lines must name their event");
    }
}

#[test]
fn sam_validates_the_template() {
    let output = Command::new(root().join(".venv/bin/sam"))
        .args(["validate", "--lint", "--region", "us-east-1", "--template", "template.yaml"])
        .current_dir(root())
        .env("SAM_CLI_TELEMETRY", "0")
        .output()
        .expect(".venv: run `make test-setup`");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
