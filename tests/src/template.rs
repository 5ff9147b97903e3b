//! The expanded template, as CloudFormation sees it, and the routes of the template and of the local gateway.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;
pub use twostep_local::template::Route;

use crate::paths::root;

static EXPANDED: LazyLock<(Value, PathBuf)> = LazyLock::new(|| expand("target/expanded-template.json", &[]));

/// The template as it is expanded with these values of parameters, and the file that it is written to.
///
/// # Panics
/// If it can't be expanded.
#[must_use]
pub fn expand(file: &str, values: &[&str]) -> (Value, PathBuf) {
    let output = Command::new(root().join(".venv/bin/python"))
        .args(["tests/expand_template.py", "template.yaml"])
        .args(values)
        .current_dir(root())
        .output()
        .expect(".venv: run `make test-setup`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = root().join(file);
    // Write to a second file and rename it, so that a stack of another process never reads a partial file.
    let beside = file.with_extension(format!("{}.new", std::process::id()));
    fs::write(&beside, &output.stdout).and_then(|()| fs::rename(&beside, &file)).expect("a file under target/");
    (serde_json::from_slice(&output.stdout).expect("JSON"), file)
}

/// # Panics
/// If it can't be expanded.
#[must_use]
pub fn expanded() -> &'static Value {
    &EXPANDED.0
}

/// The path of the expanded template, for scanners and for stacks that enforce IAM.
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

/// The routes of API Gateway and their functions.
///
/// # Panics
/// If a route's target is not a function of the template or its alias.
#[must_use]
pub fn routes() -> BTreeSet<Route> {
    let mut routes = BTreeSet::new();
    for (path, methods) in resources("AWS::ApiGatewayV2::Api")["Api"]["Body"]["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let target = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"].as_str().expect("a target");
            let (_, target) = target.split_once("functions/${").expect("a function or an alias");
            let (target, _) = target.split_once('}').expect("a function or an alias");
            let resources = &expanded()["Resources"];
            let of_alias = resources[target]["Properties"]["FunctionName"]["Ref"].as_str();
            let function = of_alias.or(target.strip_suffix(".Arn")).expect("a function");
            let function = folder(&resources[function]["Properties"]);
            routes.insert(Route { path: path.clone(), method: method.to_uppercase(), function });
        }
    }
    routes
}

/// The routes that the local gateway serves.
///
/// # Panics
/// If the template can't be read.
#[must_use]
pub fn served_routes() -> BTreeSet<Route> {
    let template = twostep_local::template::Template::read(&root().join("template.yaml").to_string_lossy());
    template.expect("the template").http_api().routes.into_iter().collect()
}
