//! Tests the API against `docs/openapi.yaml` with schemathesis.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;
use twostep_tests::{Stack, paths::root};

/// `METHOD /path status` of each exchange in the archive.
fn exchanges(archive: &Value, api: &str) -> BTreeSet<String> {
    let name = |entry: &Value| {
        let path = entry["request"]["url"].as_str().unwrap().trim_start_matches(api).to_owned();
        let path = match path.split('/').collect::<Vec<_>>().as_slice() {
            ["", "v1", "codes", _, verb] => format!("/v1/codes/…/{verb}"),
            _ => path,
        };
        format!("{} {path} {}", entry["request"]["method"].as_str().unwrap(), entry["response"]["status"])
    };
    archive["log"]["entries"].as_array().unwrap().iter().map(name).collect()
}

/// Runs schemathesis and returns the exchanges.
async fn run(stack: &Stack, name: &str, arguments: Vec<String>) -> BTreeSet<String> {
    let api = format!("http://localhost:{}", stack.api_port);
    let archive = root().join(format!("target/schemathesis-{name}.har"));
    let mut command = Command::new(root().join(".venv/bin/schemathesis"));
    command
        .args(["--config-file", "tests/schemathesis.toml", "run", "docs/openapi.yaml", "--url", &api])
        // Unsupported methods never reach the service: API Gateway responds with 404 itself.
        .args(["--checks", "all", "--exclude-checks", "unsupported_method"])
        .args(["--no-color", "--report", "har", "--report-har-path", &archive.to_string_lossy()])
        .args(arguments)
        .current_dir(root())
        .env("API_URL", &api)
        .env("INBOX_URL", format!("http://localhost:{}/inbox", stack.sandbox_port))
        .env("ADMIN_KEY", stack.admin_key().await);
    let output =
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect(".venv: run `make test-setup`");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    let archive: Value = serde_json::from_slice(&fs::read(&archive).unwrap()).unwrap();
    exchanges(&archive, &api)
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing() {
    let stack = Stack::start(&[]).await;
    let seen = run(&stack, "all", Vec::new()).await;
    for reached in ["POST /v1/login/password 202", "POST /v1/profile/recovery-codes 200", "PUT /v1/settings 200"] {
        assert!(seen.contains(reached), "{reached} never happened");
    }

    // Only the registration flow, so that random steps reach its end.
    let steps = ["startRegistration", "verifyCode", "completeRegistration", "refreshSession", "endSession"];
    let steps = steps.iter().flat_map(|step| ["--include-operation-id", step]);
    let seen =
        run(&stack, "registration", ["--phases", "stateful"].into_iter().chain(steps).map(str::to_owned).collect())
            .await;
    for reached in [
        "POST /v1/register/phone 202",
        "POST /v1/codes/…/verify 200",
        "POST /v1/register/complete 201",
        "POST /v1/session/refresh 200",
        "POST /v1/session/logout 204",
    ] {
        assert!(seen.contains(reached), "{reached} never happened: {seen:?}");
    }
}
