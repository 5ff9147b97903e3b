//! The stack as `make dev` starts it, on free ports, with its log in a file.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::atomic::{AtomicI64, Ordering},
};

use tokio::sync::OnceCell;
use twostep::clock::{Clock, SystemClock};

use crate::{Client, eventually, http};

pub struct Stack {
    pub api_port: u16,
    pub sandbox_port: u16,
    pub dynamodb_port: u16,
    pub secrets_port: u16,
    pub sqs_port: u16,
    log: PathBuf,
    clock: PathBuf,
    /// How far the functions' clock is ahead, in seconds.
    ahead: AtomicI64,
    process: Child,
    /// The stack ends when this closes, which it does with this process, however that ends.
    _stdin: ChildStdin,
}

impl Stack {
    /// The stack that the tests of one process share. It runs every function in up to two processes and logs
    /// everything that can be logged.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Stack> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(&[("LOG_LEVEL", "trace")])).await
    }

    /// # Panics
    /// When it cannot be started; its log says why.
    pub async fn start(environment: &[(&str, &str)]) -> Self {
        let ports: [u16; 5] = free_ports();
        let stack = Self::launch(ports, environment);
        let discovery = format!("http://localhost:{}/.well-known/openid-configuration", stack.api_port);
        let client = http();
        // Whatever it answers: a test may have taken something away that discovery needs.
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
        let mut process = Command::new(root.join("target/debug/twostep-local"))
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
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("the log twice"))
            .stderr(output)
            .spawn()
            .expect("`make build` has built the stack");
        let stdin = process.stdin.take().expect("it was asked for");
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

    /// Moves the clock of all functions on; a clock that stood goes on from there.
    ///
    /// # Panics
    /// When its file cannot be written.
    pub fn advance(&self, seconds: i64) {
        let ahead = self.ahead.fetch_add(seconds, Ordering::Relaxed) + seconds;
        self.set_clock(&ahead.to_string());
    }

    /// What the functions' clock says, unless it stands.
    #[must_use]
    pub fn now(&self) -> i64 {
        SystemClock.now().0 + self.ahead.load(Ordering::Relaxed)
    }

    /// Lets the functions' clock stand at `moment`, in seconds since 1970, until it is moved on.
    ///
    /// # Panics
    /// When its file cannot be written.
    pub fn stand_at(&self, moment: i64) {
        self.set_clock(&format!("={moment}"));
    }

    fn set_clock(&self, text: &str) {
        // Written beside and moved, so that nobody reads half of it.
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
    /// When there is none.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).expect("the stack's log")).into_owned()
    }

    /// Asks the stack to end.
    pub fn stop(&self) {
        let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
    }

    /// The admin key that the stack printed.
    ///
    /// # Panics
    /// When it never does.
    pub async fn admin_key(&self) -> String {
        eventually("the admin key", async || {
            let log = self.log();
            let line = log.lines().find_map(|line| line.trim().strip_prefix("Admin key"))?;
            Some(line.trim().to_owned())
        })
        .await
    }

    /// The process ids of `function`'s running instances under this stack.
    ///
    /// # Panics
    /// When the stack does not answer.
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

/// Kills processes of this machine at once, as an out-of-memory killer does.
///
/// # Panics
/// When one is not there.
pub fn kill(processes: &[u32]) {
    let ids = processes.iter().map(u32::to_string);
    assert!(Command::new("kill").arg("-9").args(ids).status().is_ok_and(|status| status.success()), "{processes:?}");
}

/// The project's folder.
///
/// # Panics
/// Never: this package is inside it.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// # Panics
/// When this machine has none.
#[must_use]
pub fn free_ports<const N: usize>() -> [u16; N] {
    // All at once, so that none is given twice.
    let listeners: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("a bound port").port())
}
