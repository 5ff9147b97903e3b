//! `template.yaml` is valid, and it, the emulator's router and `docs/api.md` name the same routes. What it deploys is
//! looked at in `deployment.rs`.

use std::{collections::BTreeSet, fs, process::Command};

use serde_yaml_ng::Value as Yaml;
use twostep_tests::stack::root;

/// (method, path, function)
type Routes = BTreeSet<(String, String, String)>;

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

fn template() -> Yaml {
    serde_yaml_ng::from_str(&read("template.yaml")).unwrap()
}

fn functions(template: &Yaml) -> Vec<(&str, &Yaml)> {
    let resources = template["Resources"].as_mapping().unwrap().iter();
    resources
        .map(|(_, resource)| resource)
        .filter(|resource| resource["Type"] == "AWS::Serverless::Function")
        .map(|resource| {
            let code = resource["Properties"]["CodeUri"].as_str().unwrap();
            (code.strip_prefix("functions/").expect(code), resource)
        })
        .collect()
}

fn routes_of_template() -> Routes {
    let template = template();
    let mut routes = Routes::new();
    for (function, resource) in functions(&template) {
        for (_, event) in resource["Properties"]["Events"].as_mapping().into_iter().flatten() {
            if event["Type"] == "HttpApi" {
                let part = |name: &str| event["Properties"][name].as_str().unwrap().to_owned();
                routes.insert((part("Method"), part("Path"), function.to_owned()));
            }
        }
    }
    routes
}

fn routes_of_router() -> Routes {
    let manifest: toml::Value = toml::from_str(&read("Cargo.toml")).unwrap();
    let router = &manifest["workspace"]["metadata"]["lambda"]["watch"]["router"];
    let mut routes = Routes::new();
    for (path, targets) in router.as_table().unwrap() {
        for target in targets.as_array().unwrap() {
            let part = |name: &str| target[name].as_str().unwrap().to_owned();
            routes.insert((part("method"), path.clone(), part("function")));
        }
    }
    routes
}

#[test]
fn template_router_and_documents_name_the_same_routes() {
    let template = routes_of_template();
    assert!(template.len() >= 16);
    assert_eq!(template, routes_of_router());
    let documented: BTreeSet<(String, String)> = read("docs/api.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`')?.0.split_once(' '))
        .map(|(method, path)| (method.to_owned(), path.to_owned()))
        .collect();
    let deployed: BTreeSet<(String, String)> = template.into_iter().map(|(method, path, _)| (method, path)).collect();
    assert_eq!(deployed, documented);
}

#[test]
fn every_function_is_deployed_and_every_deployed_function_exists() {
    let template = template();
    let deployed: BTreeSet<String> = functions(&template).into_iter().map(|(name, _)| name.to_owned()).collect();
    let folders = fs::read_dir(root().join("functions")).unwrap();
    let present: BTreeSet<String> = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(deployed, present);
    for name in present {
        let main = read(&format!("functions/{name}/src/main.rs"));
        assert!(main.lines().count() <= 40, "{name}: a shell is short");
    }
}

#[test]
fn sam_finds_nothing_wrong_with_the_template() {
    let output = Command::new(root().join(".venv/bin/sam"))
        .args(["validate", "--lint", "--region", "us-east-1", "--template", "template.yaml"])
        .current_dir(root())
        .env("SAM_CLI_TELEMETRY", "0")
        .output()
        .expect("`make test` has made .venv");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
