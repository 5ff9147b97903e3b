//! `scripts/smoke.py` passes against a stack that works, and names the step that fails.

use std::process::Stdio;

use serde_json::json;
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
};
use twostep_tests::{Stack, fresh_phone, paths::root};

fn smoke(arguments: &[&str]) -> Child {
    Command::new(root().join(".venv/bin/python"))
        .arg(root().join("scripts/smoke.py"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect(".venv: run `make test-setup`")
}

async fn ended(child: Child) -> (bool, String) {
    let output = child.wait_with_output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn the_smoke_test_registers_signs_in_and_uses_a_code() {
    let stack = Stack::shared().await;
    let client = stack.client();
    let url = format!("http://localhost:{}", stack.api_port);
    let phone = fresh_phone();
    let mut child = smoke(&["--url", &url, "--phone", &phone]);
    let mut answers = child.stdin.take().unwrap();
    let code = client.code(&phone).await;
    answers.write_all(format!("{code}\n").as_bytes()).await.unwrap();
    let (succeeded, said) = ended(child).await;
    assert!(succeeded, "{said}");
    assert!(said.contains("registration and sign-in with a password") && said.contains("a code for"), "{said}");
    assert!(!said.contains(&phone), "the number stays out of logs of CI");
}

#[tokio::test]
async fn the_smoke_test_names_what_does_not_work() {
    let stack = Stack::shared().await;
    let client = stack.client();
    let phone = fresh_phone();
    client.set_fault(json!({"mode": "opted_out", "to": phone})).await;
    let url = format!("http://localhost:{}", stack.api_port);
    let (succeeded, said) = ended(smoke(&["--url", &url, "--phone", &phone])).await;
    assert!(!succeeded && said.contains("the message failed: number_refused"), "{said}");
    let (succeeded, said) = ended(smoke(&["--url", &url.replace("localhost", "127.0.0.1")])).await;
    assert!(!succeeded && said.contains(&format!("tokens name {url} as their issuer")), "{said}");
}
