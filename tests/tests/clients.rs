//! Libraries that this project didn't write complete a sign-in, a refresh and a sign-out against the running stack, and verify
//! its events.

use std::{path::PathBuf, process::Command};

use twostep_tests::{Stack, paths::root};

async fn run(program: PathBuf, script: &str) {
    let stack = Stack::start(&[]).await;
    let mut command = Command::new(program);
    command
        .arg(script)
        .current_dir(root().join("tests/clients"))
        .env("ISSUER", format!("http://localhost:{}", stack.api_port))
        .env("ADMIN_KEY", stack.admin_key().await);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.expect(".venv: run `make test-setup`");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("is content"), "{script}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn authlib_and_pyjwt_are_content() {
    run(root().join(".venv/bin/python"), "authlib_client.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openid_client_and_oauth4webapi_are_content() {
    run(root().join(".venv/bin/node"), "openid_client.js").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_libraries_of_standard_webhooks_are_content() {
    run(root().join(".venv/bin/python"), "webhook_receiver.py").await;
    run(root().join(".venv/bin/node"), "webhook_receiver.js").await;
}
