//! `cargo lambda watch`, which rebuilds a function when its source changes. It runs [`stand_in`] in place of the
//! function. The processes that handle events belong to [`super::Lambda`], which uses a new binary from the next event
//! on.

use std::{env, os::unix::process::CommandExt, path::Path, process::ExitStatus, time::Duration};

use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::mpsc::UnboundedReceiver,
};

use crate::{http_client::http_client, result::Result};

/// Environment variables that tell the stand-in the URL of Lambda's API and its function's path.
const LAMBDA_URL: &str = "TWOSTEP_LAMBDA_URL";
const FUNCTION_BINARY: &str = "TWOSTEP_FUNCTION_BINARY";

/// An event that reaches no function. It makes the emulator build and watch one.
const WAKE: &str = r#"{"watch":true}"#;

/// The emulator answers after it has built the function, which can take minutes.
const BUILD_LIMIT: Duration = Duration::from_secs(1_800);

pub struct Watch(Child);

impl Watch {
    /// Starts the emulator, which then watches each function whose name arrives in `used`.
    ///
    /// # Errors
    /// If cargo-lambda isn't installed.
    pub async fn start(lambda_url: &str, mut used: UnboundedReceiver<String>) -> Result<Self> {
        let program = env::var("CARGO_LAMBDA").unwrap_or_else(|_| "cargo-lambda".to_owned());
        let this = env::current_exe()?;
        let runner = format!("target.'cfg(all())'.runner=['{}','run-function']", this.display());
        let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
        let child = Command::new(&program)
            .args(["lambda", "watch", "--wait", "--disable-cors", "--invoke-address", "127.0.0.1", "--config", &runner])
            .args(["--invoke-port", &port.to_string()])
            .env(LAMBDA_URL, lambda_url)
            // Runs in its own process group, so that Ctrl-C reaches only the stack, which stops the emulator in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("can't start {program} ({error}); `make dev` installs it"))?;
        tokio::spawn(async move {
            let client = http_client(BUILD_LIMIT);
            while let Some(function) = used.recv().await {
                let url = format!("http://127.0.0.1:{port}/2015-03-31/functions/{function}/invocations");
                let wake = client.post(url).body(WAKE);
                tokio::spawn(async move {
                    // The emulator may still be starting.
                    while let Err(error) = wake.try_clone().expect("a string body can be cloned").send().await
                        && error.is_connect()
                    {
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                });
            }
        });
        Ok(Self(child))
    }

    /// # Errors
    /// If waiting for the process fails.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.0.wait().await?)
    }

    /// Lets the emulator end its own processes, and kills it if it takes too long.
    ///
    /// # Errors
    /// If the process can't be signaled.
    pub async fn stop(&mut self) -> Result<()> {
        const PATIENCE: Duration = Duration::from_secs(5);
        if let Some(id) = self.0.id() {
            Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        }
        if tokio::time::timeout(PATIENCE, self.0.wait()).await.is_err() {
            self.0.kill().await?;
        }
        Ok(())
    }
}

/// Replaces this process with the stand-in for `binary`. The path is in the environment, not in the arguments, so that
/// commands that kill processes by name don't mistake the stand-in for the function.
///
/// # Errors
/// If the stand-in can't be started.
pub fn become_stand_in(binary: Option<String>) -> Result<()> {
    let binary = binary.ok_or("run-function needs the path of a function's binary")?;
    let mut command = std::process::Command::new(env::current_exe()?);
    Err(command.arg("stand-in").env(FUNCTION_BINARY, binary).exec().into())
}

/// Runs in place of a function under the emulator. Forwards each event to the stack's Lambda, and returns its response.
///
/// # Errors
/// If the emulator or the stack ends.
pub async fn stand_in() -> Result<()> {
    let binary = env::var(FUNCTION_BINARY)?;
    let name = Path::new(&binary).file_name().and_then(|name| name.to_str()).ok_or("not the path of a binary")?;
    let emulator = format!("{}/2018-06-01/runtime/invocation", env::var("AWS_LAMBDA_RUNTIME_API")?);
    let lambda = format!("{}/2015-03-31/functions/{name}/invocations", env::var(LAMBDA_URL)?);
    // The next event may come many hours later.
    let client = http_client(Duration::from_secs(u64::from(u32::MAX)));
    loop {
        let next = client.get(format!("{emulator}/next")).send().await?.error_for_status()?;
        let request = next.headers().get("lambda-runtime-aws-request-id").ok_or("an event without an ID")?;
        let request = request.to_str()?.to_owned();
        let event = next.bytes().await?;
        let answer =
            if event == WAKE { "null".into() } else { client.post(&lambda).body(event).send().await?.bytes().await? };
        client.post(format!("{emulator}/{request}/response")).body(answer).send().await?;
    }
}
