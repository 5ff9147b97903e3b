//! The functions under `cargo lambda watch`.

use std::{
    env,
    ffi::OsStr,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{self, ExitStatus},
    time::Duration,
};

use tokio::process::{Child, Command};

use crate::{
    Result, iam, secrets_manager,
    settings::{CALLBACK_TOKEN, Settings},
};

/// Where the supervisor finds the path of its function.
const FUNCTION_BINARY: &str = "FUNCTION_BINARY";

/// The emulator sets it to 1, for which the runtime warns at every start that it changes nothing.
const MAX_CONCURRENCY: &str = "AWS_LAMBDA_MAX_CONCURRENCY";

pub struct Functions(Child);

/// # Errors
/// When cargo-lambda is not there.
pub fn start(settings: &Settings) -> Result<Functions> {
    let program = env::var("CARGO_LAMBDA").unwrap_or_else(|_| "cargo-lambda".to_owned());
    let this = env::current_exe()?;
    let runner = format!("target.'cfg(all())'.runner=['{}','run-function']", this.display());
    let local = |port: u16| format!("http://localhost:{port}");
    // Whoever sets an endpoint already has something else to put in its place.
    let endpoint = |variable: &str, port: u16| env::var(variable).unwrap_or_else(|_| local(port));
    let mut command = Command::new(&program);
    command
        .args(["lambda", "watch", "--wait", "--disable-cors", "--invoke-address", "127.0.0.1", "--config", &runner])
        .args(["--invoke-port", &settings.api_port.to_string(), "--concurrency", &settings.concurrency.to_string()])
        .args((!settings.reload).then_some("--ignore-changes"))
        .env("AWS_ENDPOINT_URL_DYNAMODB", endpoint("AWS_ENDPOINT_URL_DYNAMODB", settings.dynamodb_port))
        .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint("AWS_ENDPOINT_URL_SECRETS_MANAGER", settings.secrets_port))
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("AWS_PROFILE")
        .env("USERS_TABLE", "users")
        .env("CODES_TABLE", "codes")
        .env("COUNTERS_TABLE", "counters")
        .env("SESSIONS_TABLE", "sessions")
        .env("SETTINGS_TABLE", "settings")
        .env("ADMIN_SECRET", secrets_manager::ADMIN)
        .env("LIMITS", if settings.limits_as_deployed { "deployed" } else { "lifted" })
        .env("KEYS_SECRET", secrets_manager::KEYS)
        .env("CLICKATELL_SECRET", secrets_manager::CLICKATELL)
        .env("CLICKATELL_URL", local(settings.sandbox_port))
        .env("CALLBACK_TOKEN", CALLBACK_TOKEN)
        .env("SITE_NAME", "Example")
        .env("SITE_HOST", "localhost")
        .env("ALLOWED_COUNTRIES", env::var("ALLOWED_COUNTRIES").unwrap_or_else(|_| "*".to_owned()))
        .env("ISSUER", settings.api_url())
        // Its own group: a Ctrl-C in the terminal reaches us alone, and we end it in order.
        .process_group(0)
        .kill_on_drop(true);
    let child =
        command.spawn().map_err(|error| format!("{program} cannot be started ({error}); `make dev` installs it"))?;
    Ok(Functions(child))
}

impl Functions {
    /// # Errors
    /// When the process cannot be waited for.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.0.wait().await?)
    }

    /// Lets the emulator end its functions itself; whatever does not end in time is killed.
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

/// Becomes the supervisor of a function. Its path goes into the environment, so that the supervisor does not look like
/// the function to whoever ends processes by name.
///
/// # Errors
/// When it cannot become that.
pub fn hide_and_supervise(binary: Option<String>) -> Result<()> {
    let binary = binary.ok_or("run-function needs the path of a function")?;
    Err(process::Command::new(env::current_exe()?).arg("supervise").env(FUNCTION_BINARY, binary).exec().into())
}

/// Runs a function and, as Lambda does, starts another in the place of one that was killed. One that ends by itself
/// ends this too: it has said why.
///
/// # Errors
/// When the function cannot be started.
pub fn supervise() -> Result<()> {
    let binary = env::var(FUNCTION_BINARY)?;
    let name = Path::new(&binary).file_name().and_then(OsStr::to_str).unwrap_or_default();
    loop {
        let status = process::Command::new(&binary)
            .env_remove(FUNCTION_BINARY)
            .env_remove(MAX_CONCURRENCY)
            // Whoever looks at the calls to DynamoDB sees which function each is of.
            .env("AWS_SDK_UA_APP_ID", name)
            .env("AWS_ACCESS_KEY_ID", iam::access_key_id(name))
            .status()?;
        if status.signal().is_none() {
            process::exit(status.code().unwrap_or(1));
        }
    }
}
