//! The deployment's template as CloudFormation sees it, and its routes: those of the deployment and those that the
//! laptop's gateway serves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;
pub use twostep_local::template::Route;

use crate::stack::root;

static EXPANDED: LazyLock<(Value, PathBuf)> = LazyLock::new(|| {
    let output = Command::new(root().join(".venv/bin/python"))
        .args(["tests/expand_template.py", "template.yaml"])
        .current_dir(root())
        .output()
        .expect("`make test` has made .venv");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = root().join("target/expanded-template.json");
    fs::write(&file, &output.stdout).expect("a file under target/");
    (serde_json::from_slice(&output.stdout).expect("JSON"), file)
});

/// # Panics
/// When it cannot be expanded.
#[must_use]
pub fn expanded() -> &'static Value {
    &EXPANDED.0
}

/// The file that it was written to, for scanners.
///
/// # Panics
/// When it cannot be expanded.
#[must_use]
pub fn expanded_file() -> String {
    EXPANDED.1.to_string_lossy().into_owned()
}

/// The properties of all resources of a kind, by their names in the template.
///
/// # Panics
/// When the template has no resources.
#[must_use]
pub fn resources(kind: &str) -> BTreeMap<&'static str, &'static Value> {
    let all = expanded()["Resources"].as_object().expect("resources").iter();
    let found = all.filter(|(_, resource)| resource["Type"] == kind);
    found.map(|(name, resource)| (name.as_str(), &resource["Properties"])).collect()
}

/// The functions, by the names of their folders.
///
/// # Panics
/// When one has no folder.
#[must_use]
pub fn functions() -> BTreeMap<String, &'static Value> {
    resources("AWS::Lambda::Function").into_values().map(|function| (folder(function), function)).collect()
}

fn folder(function: &Value) -> String {
    let code = function["Code"]["S3Key"].as_str().expect("code");
    code.strip_prefix("functions/").expect("a folder").to_owned()
}

/// What API Gateway hands on, and to which function.
///
/// # Panics
/// When a route leads to no function of the template.
#[must_use]
pub fn routes() -> BTreeSet<Route> {
    let mut routes = BTreeSet::new();
    for (path, methods) in resources("AWS::ApiGatewayV2::Api")["Api"]["Body"]["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let target = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"].as_str().expect("a target");
            let (_, target) = target.split_once("functions/${").expect("a function");
            let (function, _) = target.split_once(".Arn}").expect("a function");
            let function = folder(&expanded()["Resources"][function]["Properties"]);
            routes.insert(Route { path: path.clone(), method: method.to_uppercase(), function });
        }
    }
    routes
}

/// The routes that the laptop's gateway serves.
///
/// # Panics
/// When the template cannot be read.
#[must_use]
pub fn served_routes() -> BTreeSet<Route> {
    let template = twostep_local::template::Template::read(&root().join("template.yaml").to_string_lossy());
    template.expect("the template").http_api().routes.into_iter().collect()
}
