//! The deployment's template as CloudFormation would see it.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command, sync::LazyLock};

use serde_json::Value;

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
    let functions = resources("AWS::Lambda::Function").into_values();
    let folder = |function: &Value| {
        function["Code"]["S3Key"].as_str().expect("code").trim_start_matches("functions/").to_owned()
    };
    functions.map(|function| (folder(function), function)).collect()
}
