//! The whole service on a laptop: DynamoDB, Secrets Manager, a Clickatell sandbox with an inbox, the stream between
//! `codes` and `send-sms`, and the functions themselves under `cargo lambda watch`. Everything listens on loopback only.

mod clickatell;
mod dynamodb;
mod emulator;
mod secrets_manager;
mod settings;
mod stream;
mod template;

use std::{error::Error, process::ExitCode, time::Duration};

use settings::Settings;
use tokio::{net::TcpListener, signal::unix};
use twostep::{clock::SystemClock, entropy, keys::KeyRing};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let outcome = match arguments.next().as_deref() {
        None => serve().await,
        Some("run-function") => emulator::hide_and_supervise(arguments.next()),
        Some("supervise") => emulator::supervise(),
        Some("new-keys") => print_new_keys(),
        Some(other) => Err(format!("unknown argument {other}; expected none, or `new-keys`").into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("twostep-local: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<()> {
    let settings = Settings::read()?;
    let template = template::Template::read("template.yaml")?;
    // All ports first, so that one that is taken is told before anything starts.
    drop(listen(settings.api_port, "API_PORT").await?);
    let dynamodb = listen(settings.dynamodb_port, "DYNAMODB_PORT").await?;
    let secrets = listen(settings.secrets_port, "SECRETS_PORT").await?;
    let sandbox = listen(settings.sandbox_port, "SANDBOX_PORT").await?;

    let database = dynamodb::open(settings.data.as_deref(), &template)?;
    tokio::spawn(dynoxide::server::serve_on(dynamodb, database.clone()));
    tokio::spawn(secrets_manager::serve(secrets, settings.data.clone()).await?);
    tokio::spawn(clickatell::serve(sandbox, settings.callback_url()));
    tokio::spawn(stream::pump(database, template.stream()?, settings.api_url()));

    let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
    let mut terminate = unix::signal(unix::SignalKind::terminate())?;
    let mut functions = emulator::start(&settings)?;
    tokio::select! {
        () = announce(&settings) => {}
        status = functions.wait() => return Err(format!("cargo lambda watch ended: {}", status?).into()),
        _ = interrupt.recv() => return functions.stop().await,
        _ = terminate.recv() => return functions.stop().await,
    }
    tokio::select! {
        status = functions.wait() => Err(format!("cargo lambda watch ended: {}", status?).into()),
        _ = interrupt.recv() => functions.stop().await,
        _ = terminate.recv() => functions.stop().await,
    }
}

async fn listen(port: u16, variable: &str) -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(|error| format!("port {port} cannot be used ({error}); choose another with {variable}").into())
}

/// Waits until the API answers, then says where to go.
async fn announce(settings: &Settings) {
    let discovery = format!("{}/.well-known/openid-configuration", settings.api_url());
    let client = http_client(Duration::from_secs(600));
    while !client.get(&discovery).send().await.is_ok_and(|answer| answer.status().is_success()) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (api, sandbox) = (settings.api_url(), settings.sandbox_url());
    println!(
        "
TwoStep is ready.

  API              {api}
  SMS inbox        {sandbox}/inbox
  DynamoDB         http://localhost:{}
  Secrets Manager  http://localhost:{}

Try it:

  curl -s {api}/v1/register/phone -d '{{\"phone\":\"+14155552671\"}}'

The message is in the inbox a moment later. Ctrl-C ends everything.
",
        settings.dynamodb_port, settings.secrets_port
    );
}

fn print_new_keys() -> Result<()> {
    use secrecy::ExposeSecret;
    use twostep::clock::Clock;
    println!("{}", KeyRing::generate(SystemClock.now(), &mut entropy::system())?.expose_secret());
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the one place here that makes a client, with a time limit")]
fn http_client(timeout: Duration) -> reqwest::Client {
    reqwest::Client::builder().timeout(timeout).no_proxy().build().expect("a client for plain HTTP")
}
