//! `cargo lambda watch`, which builds a function anew when its source changes. It runs [`stand_in`] in the function's
//! place; the processes that answer are [`super::Lambda`]'s, which start the new binary as soon as it is there.

use std::{env, os::unix::process::CommandExt, path::Path, process::ExitStatus, time::Duration};

use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::mpsc::UnboundedReceiver,
};

use crate::{http_client::http_client, result::Result};

/// Where the stand-in finds Lambda's API, and the path of its function.
const LAMBDA_URL: &str = "TWOSTEP_LAMBDA_URL";
const FUNCTION_BINARY: &str = "TWOSTEP_FUNCTION_BINARY";

/// An event that no function gets: it makes the emulator build and watch one.
const WAKE: &str = r#"{"watch":true}"#;

/// The emulator answers when the function was built, which may take long.
const BUILD_LIMIT: Duration = Duration::from_secs(1_800);

pub struct Watch(Child);

impl Watch {
    /// Starts the emulator and, from then on, its watch over each function whose name comes from `used`.
    ///
    /// # Errors
    /// When cargo-lambda is not there.
    pub async fn start(lambda_url: &str, mut used: UnboundedReceiver<String>) -> Result<Self> {
        let program = env::var("CARGO_LAMBDA").unwrap_or_else(|_| "cargo-lambda".to_owned());
        let this = env::current_exe()?;
        let runner = format!("target.'cfg(all())'.runner=['{}','run-function']", this.display());
        let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
        let child = Command::new(&program)
            .args(["lambda", "watch", "--wait", "--disable-cors", "--invoke-address", "127.0.0.1", "--config", &runner])
            .args(["--invoke-port", &port.to_string()])
            .env(LAMBDA_URL, lambda_url)
            // Its own group: a Ctrl-C in the terminal reaches the stack alone, which ends this in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{program} cannot be started ({error}); `make dev` installs it"))?;
        tokio::spawn(async move {
            let client = http_client(BUILD_LIMIT);
            while let Some(function) = used.recv().await {
                let url = format!("http://127.0.0.1:{port}/2015-03-31/functions/{function}/invocations");
                let wake = client.post(url).body(WAKE);
                tokio::spawn(async move {
                    // The emulator may still be starting.
                    while let Err(error) = wake.try_clone().expect("a text can be sent twice").send().await
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
    /// When the process cannot be waited for.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.0.wait().await?)
    }

    /// Lets the emulator end its own processes; it is killed if it does not.
    ///
    /// # Errors
    /// When it cannot be signalled.
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

/// Becomes the stand-in of `binary`. The path goes into the environment, so that the stand-in does not look like the
/// function to a command that ends processes by name.
///
/// # Errors
/// When it cannot become that.
pub fn become_stand_in(binary: Option<String>) -> Result<()> {
    let binary = binary.ok_or("run-function needs the path of a function")?;
    let mut command = std::process::Command::new(env::current_exe()?);
    Err(command.arg("stand-in").env(FUNCTION_BINARY, binary).exec().into())
}

/// Runs in the place of a function under the emulator: hands each event on to Lambda's stand-in, and its answer back.
///
/// # Errors
/// When the emulator or the stack ends.
pub async fn stand_in() -> Result<()> {
    let binary = env::var(FUNCTION_BINARY)?;
    let name = Path::new(&binary).file_name().and_then(|name| name.to_str()).ok_or("that is no path of a function")?;
    let emulator = format!("{}/2018-06-01/runtime/invocation", env::var("AWS_LAMBDA_RUNTIME_API")?);
    let lambda = format!("{}/2015-03-31/functions/{name}/invocations", env::var(LAMBDA_URL)?);
    // The next event may be as far away as the next working day.
    let client = http_client(Duration::from_secs(u64::from(u32::MAX)));
    loop {
        let next = client.get(format!("{emulator}/next")).send().await?.error_for_status()?;
        let request = next.headers().get("lambda-runtime-aws-request-id").ok_or("an event without an id")?;
        let request = request.to_str()?.to_owned();
        let event = next.bytes().await?;
        let answer =
            if event == WAKE { "null".into() } else { client.post(&lambda).body(event).send().await?.bytes().await? };
        client.post(format!("{emulator}/{request}/response")).body(answer).send().await?;
    }
}
