//! The sites of `examples/` work against the running stack.

use std::{env, process::Command};

use twostep_tests::{Stack, paths::root};

async fn try_example(name: &'static str) {
    let stack = Stack::shared().await;
    let tools = root().join(".venv/bin");
    let path = format!("{}:{}", tools.display(), env::var("PATH").unwrap_or_default());
    let mut command = Command::new(tools.join("python"));
    command
        .arg("test.py")
        .current_dir(root().join("examples").join(name))
        .env("PATH", path)
        .env("ISSUER", format!("http://localhost:{}", stack.api_port))
        .env("INBOX", format!("http://localhost:{}/inbox", stack.sandbox_port))
        .env("ADMIN_KEY", stack.admin_key().await);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.expect(".venv: run `make test-setup`");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("the example works"), "{name}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn flask_oidc() {
    try_example("flask-oidc").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn express_verification() {
    try_example("express-verification").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fastapi_jwt() {
    try_example("fastapi-jwt").await;
}

/// `make test` installs Apache; see `tests/apache.py`.
#[tokio::test(flavor = "multi_thread")]
async fn apache() {
    if env::var_os("SKIP_APACHE").is_none() {
        try_example("apache").await;
    }
}
