//! `template.yaml` is valid, and it, the laptop's gateway and `docs/api.md` name the same routes. `deployment.rs` looks
//! at what it deploys.

use std::{collections::BTreeSet, fs, process::Command};

use twostep_tests::{
    stack::root,
    template::{functions, routes, served_routes},
};

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

#[test]
fn template_gateway_and_documents_name_the_same_routes() {
    let template = routes();
    assert!(template.len() >= 16);
    assert_eq!(template, served_routes());
    let documented: BTreeSet<(String, String)> = read("docs/api.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`')?.0.split_once(' '))
        .map(|(method, path)| (method.to_owned(), path.to_owned()))
        .collect();
    let deployed: BTreeSet<(String, String)> = template.into_iter().map(|route| (route.method, route.path)).collect();
    assert_eq!(deployed, documented);
}

#[test]
fn dashboard_and_alarms_watch_metrics_that_there_are_and_leave_none_out() {
    let text = read("template.yaml");
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).collect::<BTreeSet<_>>();
    for name in twostep::metrics::NAMES {
        assert!(words.contains(name), "{name} is watched nowhere");
    }
    let before = ["[\"TwoStep\", \"", "Namespace: TwoStep, MetricName: "];
    let watched = before.into_iter().flat_map(|start| text.split(start).skip(1));
    let name = |rest: &str| rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned();
    for name in watched.map(name) {
        assert!(twostep::metrics::NAMES.contains(&name.as_str()), "there is no metric {name}");
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
