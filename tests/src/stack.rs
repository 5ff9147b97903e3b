//! The stack of `make dev` on free ports, with its log in a file.

use std::{
    env, fs,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::atomic::{AtomicI64, Ordering},
};

use tokio::sync::OnceCell;
use twostep_domain::time::Clock;
use twostep_runtime::clock::SystemClock;

use crate::{
    Client, eventually, http,
    paths::{programs, root, usage_folder},
    template,
};

/// The origin whose pages may call the shared stack.
pub const SHOP: &str = "https://shop.example";

pub struct Stack {
    pub api_port: u16,
    pub sandbox_port: u16,
    pub dynamodb_port: u16,
    pub secrets_port: u16,
    pub sqs_port: u16,
    log: PathBuf,
    clock: PathBuf,
    /// The offset of the functions' clock, in seconds.
    ahead: AtomicI64,
    process: Child,
    /// The stack stops when this closes, at the latest when this process ends.
    _stdin: ChildStdin,
}

impl Stack {
    /// The stack that the tests of one process share. It runs up to two processes per function, with log level `trace`.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Stack> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(&[("LOG_LEVEL", "trace"), ("ALLOWED_ORIGINS", SHOP)])).await
    }

    /// # Panics
    /// If it can't start. See its log.
    pub async fn start(environment: &[(&str, &str)]) -> Self {
        let ports: [u16; 5] = free_ports();
        let stack = Self::launch(ports, environment);
        let discovery = format!("http://localhost:{}/.well-known/openid-configuration", stack.api_port);
        let client = http();
        // Accept any status, because a test may have removed something that discovery needs.
        eventually("the API", async || client.get(&discovery).send().await.ok()).await;
        stack
    }

    fn launch(ports: [u16; 5], environment: &[(&str, &str)]) -> Self {
        let [api_port, sandbox_port, dynamodb_port, secrets_port, sqs_port] = ports;
        let root = root();
        let log = root.join(format!("target/stack-{api_port}.log"));
        let output = fs::File::create(&log).expect("a log under target/");
        let clock = root.join(format!("target/clock-{api_port}"));
        fs::write(&clock, "0").expect("a clock under target/");
        let mut process = Command::new(programs().join("twostep-local"))
            .current_dir(&root)
            .env("API_PORT", api_port.to_string())
            .env("SANDBOX_PORT", sandbox_port.to_string())
            .env("DYNAMODB_PORT", dynamodb_port.to_string())
            .env("SECRETS_PORT", secrets_port.to_string())
            .env("SQS_PORT", sqs_port.to_string())
            .env("DATA", "memory")
            .env("RELOAD", "off")
            .env("CONCURRENCY", "2")
            .env("UNTIL_STDIN_CLOSES", "1")
            .env("CLOCK_OFFSET_FILE", &clock)
            .env("IAM", "enforced")
            .env("IAM_TEMPLATE", template::expanded_file())
            .env("IAM_USAGE", usage_folder().join(format!("{}-{api_port}.jsonl", program())))
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("the log twice"))
            .stderr(output)
            .spawn()
            .expect("the stack: run `make build`");
        let stdin = process.stdin.take().expect("a piped stdin");
        let ahead = AtomicI64::new(0);
        Self {
            api_port,
            sandbox_port,
            dynamodb_port,
            secrets_port,
            sqs_port,
            log,
            clock,
            ahead,
            process,
            _stdin: stdin,
        }
    }

    /// Advances the clock of all functions. A stopped clock continues from there.
    ///
    /// # Panics
    /// If its file can't be written.
    pub fn advance(&self, seconds: i64) {
        let ahead = self.ahead.fetch_add(seconds, Ordering::Relaxed) + seconds;
        self.set_clock(&ahead.to_string());
    }

    /// The time of the functions' clock, unless it is stopped.
    #[must_use]
    pub fn now(&self) -> i64 {
        SystemClock.now().0 + self.ahead.load(Ordering::Relaxed)
    }

    /// Stops the functions' clock at `moment`, in seconds since 1970, until [`Self::advance`].
    ///
    /// # Panics
    /// If its file can't be written.
    pub fn stand_at(&self, moment: i64) {
        self.set_clock(&format!("={moment}"));
    }

    fn set_clock(&self, text: &str) {
        // Write to another file and rename it, so that functions never read a partial value.
        let beside = self.clock.with_extension("new");
        fs::write(&beside, text).and_then(|()| fs::rename(&beside, &self.clock)).expect("the clock's file");
    }

    /// A client of the stack's Secrets Manager.
    #[must_use]
    pub fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(aws_sdk_secretsmanager::config::BehaviorVersion::latest())
            .region(aws_sdk_secretsmanager::config::Region::from_static("us-east-1"))
            .credentials_provider(aws_sdk_secretsmanager::config::Credentials::new(
                "local", "local", None, None, "local",
            ))
            .endpoint_url(format!("http://localhost:{}", self.secrets_port));
        aws_sdk_secretsmanager::Client::from_conf(config.build())
    }

    #[must_use]
    pub fn client(&self) -> Client {
        let local = |port: u16| format!("http://localhost:{port}");
        Client::new(local(self.api_port), local(self.sandbox_port))
    }

    /// # Panics
    /// If the log can't be read.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).expect("the stack's log")).into_owned()
    }

    /// Asks the stack to stop.
    pub fn stop(&self) {
        let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
    }

    /// The admin key that the stack printed.
    ///
    /// # Panics
    /// If the stack doesn't print it in time.
    pub async fn admin_key(&self) -> String {
        eventually("the admin key", async || {
            let log = self.log();
            let line = log.lines().find_map(|line| line.trim().strip_prefix("Admin key"))?;
            Some(line.trim().to_owned())
        })
        .await
    }

    /// The process IDs of `function`'s running instances in this stack.
    ///
    /// # Panics
    /// If the stack doesn't answer.
    pub async fn instances_of(&self, function: &str) -> Vec<u32> {
        let url = format!("http://localhost:{}/2015-03-31/functions/{function}/instances", self.api_port);
        http().get(url).send().await.expect("the stack answers").json().await.expect("a list of processes")
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.stop();
        let _ = self.process.wait();
    }
}

/// Kills processes with SIGKILL, like an out-of-memory killer.
///
/// # Panics
/// If a process doesn't exist.
pub fn kill(processes: &[u32]) {
    let ids = processes.iter().map(u32::to_string);
    assert!(Command::new("kill").arg("-9").args(ids).status().is_ok_and(|status| status.success()), "{processes:?}");
}

/// The name of the test program: `e2e-` and a hash.
fn program() -> String {
    let path = env::current_exe().unwrap_or_default();
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// # Panics
/// If there are no free ports.
#[must_use]
pub fn free_ports<const N: usize>() -> [u16; N] {
    // Bind all ports at once, so that they differ.
    let listeners: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("a bound port").port())
}
