//! The expanded template, as CloudFormation sees it, and the routes of the template and of the emulator's router.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;

use crate::stack::root;

static EXPANDED: LazyLock<(Value, PathBuf)> = LazyLock::new(|| {
    let output = Command::new(root().join(".venv/bin/python"))
        .args(["tests/expand_template.py", "template.yaml"])
        .current_dir(root())
        .output()
        .expect(".venv: run `make test-setup`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = root().join("target/expanded-template.json");
    // Written beside and moved, so that a stack that another process starts never reads half of it.
    let beside = file.with_extension(format!("{}.new", std::process::id()));
    fs::write(&beside, &output.stdout).and_then(|()| fs::rename(&beside, &file)).expect("a file under target/");
    (serde_json::from_slice(&output.stdout).expect("JSON"), file)
});

/// # Panics
/// If it can't be expanded.
#[must_use]
pub fn expanded() -> &'static Value {
    &EXPANDED.0
}

/// The file of the expanded template, for scanners and for stacks that enforce IAM.
///
/// # Panics
/// If it can't be expanded.
#[must_use]
pub fn expanded_file() -> String {
    EXPANDED.1.to_string_lossy().into_owned()
}

/// The properties of all resources of a type, by logical ID.
///
/// # Panics
/// If the template has no resources.
#[must_use]
pub fn resources(kind: &str) -> BTreeMap<&'static str, &'static Value> {
    let all = expanded()["Resources"].as_object().expect("resources").iter();
    let found = all.filter(|(_, resource)| resource["Type"] == kind);
    found.map(|(name, resource)| (name.as_str(), &resource["Properties"])).collect()
}

/// The functions by folder name.
///
/// # Panics
/// If a function has no folder.
#[must_use]
pub fn functions() -> BTreeMap<String, &'static Value> {
    resources("AWS::Lambda::Function").into_values().map(|function| (folder(function), function)).collect()
}

fn folder(function: &Value) -> String {
    let code = function["Code"]["S3Key"].as_str().expect("code");
    code.strip_prefix("functions/").expect("a folder").to_owned()
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// As in the template: `/v1/codes/{id}`.
    pub path: String,
    pub method: String,
    pub function: String,
}

/// The routes of API Gateway and their functions.
///
/// # Panics
/// If a route's target is not a function of the template.
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

/// The routes of the emulator and their functions.
///
/// # Panics
/// If the workspace has no router.
#[must_use]
pub fn router() -> BTreeSet<Route> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the workspace");
    let manifest: toml::Value = toml::from_str(&manifest).expect("TOML");
    let router = manifest["workspace"]["metadata"]["lambda"]["watch"]["router"].as_table().expect("a router");
    let mut routes = BTreeSet::new();
    for (path, targets) in router {
        for target in targets.as_array().expect("targets") {
            let part = |name: &str| target[name].as_str().expect(name).to_owned();
            routes.insert(Route { path: path.clone(), method: part("method"), function: part("function") });
        }
    }
    routes
}
