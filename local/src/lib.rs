//! The whole service on a laptop: DynamoDB, Secrets Manager, a Clickatell sandbox with an inbox, the stream between
//! `codes` and `send-sms`, and the functions themselves under `cargo lambda watch`. Everything listens on loopback only.
//!
//! The pieces are public so that tests can run a service against them without the emulator.

pub mod clickatell;
pub mod dynamodb;
pub mod emulator;
pub mod iam;
mod inbox;
pub mod secrets_manager;
pub mod settings;
pub mod stream;
pub mod template;

use std::{convert::Infallible, error::Error, future, io, time::Duration};

use settings::Settings;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

pub type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Starts everything and ends when it is told to.
///
/// # Errors
/// One line that says what is in the way: a port, a setting, the emulator.
pub async fn serve() -> Result<()> {
    let settings = Settings::read()?;
    let template = template::Template::read("template.yaml")?;
    // All ports first, so that one that is taken is told before anything starts.
    drop(listen(settings.api_port, "API_PORT").await?);
    let dynamodb = listen(settings.dynamodb_port, "DYNAMODB_PORT").await?;
    let secrets = listen(settings.secrets_port, "SECRETS_PORT").await?;
    let sandbox = listen(settings.sandbox_port, "SANDBOX_PORT").await?;
    let iam = iam::Enforcement::from_environment()?;
    let dynamodb = iam::guard(iam.as_ref(), iam::Service::DynamoDb, dynamodb).await?;
    let secrets = iam::guard(iam.as_ref(), iam::Service::SecretsManager, secrets).await?;

    let database = dynamodb::open(settings.data.as_deref(), &template)?;
    tokio::spawn(dynoxide::server::serve_on(dynamodb, database.clone()));
    let secrets = secrets_manager::serve(secrets, settings.data.clone()).await?;
    tokio::spawn(secrets.server);
    tokio::spawn(clickatell::serve(sandbox, settings.callback_url()));
    tokio::spawn(stream::pump(database, template.stream()?, settings.api_url()));

    let mut functions = emulator::start(&settings)?;
    let ended = tokio::select! {
        status = functions.wait() => Some(status?),
        never = announce_and_wait(&settings, &secrets.admin_key) => match never {},
        () = told_to_end(settings.until_stdin_closes) => None,
    };
    match ended {
        Some(status) => Err(format!("cargo lambda watch ended: {status}").into()),
        None => functions.stop().await,
    }
}

/// Ctrl-C, a polite `kill`, or the end of whoever holds our standard input.
async fn told_to_end(with_stdin: bool) {
    let signalled = async |kind| match signal(kind) {
        Ok(mut signals) => signals.recv().await.unwrap_or_default(),
        Err(_) => future::pending().await,
    };
    let (closed, stdin_closed) = oneshot::channel();
    if with_stdin {
        // A thread, because a read of standard input cannot be given up and would keep the runtime from ending.
        std::thread::spawn(move || {
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            closed.send(())
        });
    }
    let stdin_closed = async {
        if !with_stdin || stdin_closed.await.is_err() {
            future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = signalled(SignalKind::interrupt()) => {}
        () = signalled(SignalKind::terminate()) => {}
        () = stdin_closed => {}
    }
}

async fn listen(port: u16, variable: &str) -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(|error| format!("port {port} cannot be used ({error}); choose another with {variable}").into())
}

/// Waits until the API answers, then says where to go.
async fn announce_and_wait(settings: &Settings, admin_key: &str) -> Infallible {
    let discovery = format!("{}/.well-known/openid-configuration", settings.api_url());
    let client = http_client(Duration::from_secs(600));
    while !client.get(&discovery).send().await.is_ok_and(|answer| answer.status().is_success()) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (api, sandbox) = (settings.api_url(), settings.sandbox_url());
    println!(
        "
TwoStep is ready.

  Pages            {api}
  API              {api}/v1
  SMS inbox        {sandbox}/inbox
  DynamoDB         http://localhost:{}
  Secrets Manager  http://localhost:{}
  Admin key        {admin_key}

Try it: register at {api}/register, or

  curl -s {api}/v1/register/phone -d '{{\"phone\":\"+14155552671\"}}'

The message is in the inbox a moment later. Ctrl-C ends everything.
",
        settings.dynamodb_port, settings.secrets_port
    );
    future::pending().await
}

#[expect(clippy::disallowed_methods, reason = "the one place here that makes a client, with a time limit")]
fn http_client(timeout: Duration) -> reqwest::Client {
    reqwest::Client::builder().timeout(timeout).no_proxy().build().expect("a client for plain HTTP")
}
