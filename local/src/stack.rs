//! Starts all stand-ins, prints their addresses, and shuts them down in order.

use std::{env, future, io, path::PathBuf, sync::Arc};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
};

use crate::{
    aws::{dynamodb, secrets_manager, sqs},
    clickatell, event_sources, gateway, iam,
    lambda::{self, Lambda, watch::Watch},
    result::Result,
    ses,
    settings::Settings,
    template::Template,
};

/// Runs until a signal or the end of standard input stops it.
///
/// # Errors
/// One line that names the problem: a port, a setting, or a function that isn't built.
pub async fn run() -> Result<()> {
    let mut settings = Settings::read()?;
    let template = Template::read("template.yaml")?;
    // Bind all ports first, so that a port conflict is reported before anything starts.
    let api = listen(settings.api_port, "API_PORT").await?;
    let dynamodb = listen(settings.dynamodb_port, "DYNAMODB_PORT").await?;
    let secrets = listen(settings.secrets_port, "SECRETS_PORT").await?;
    let sqs = listen(settings.sqs_port, "SQS_PORT").await?;
    let sandbox = listen(settings.sandbox_port, "SANDBOX_PORT").await?;
    let runtime = TcpListener::bind("127.0.0.1:0").await?;
    let sender = settings.email_from.as_ref().map_or("", |sender| sender.address.as_written());
    let iam = iam::Enforcement::from_environment(&[("EmailFrom", sender)])?;
    let guard = |service, listener| iam::guard(iam.as_ref(), service, listener);
    let dynamodb = guard(iam::Service::DynamoDb, dynamodb).await?;
    let secrets = guard(iam::Service::SecretsManager, secrets).await?;
    let sqs = guard(iam::Service::Sqs, sqs).await?;
    // The sandbox speaks for SES too.
    settings.ses_port = iam::guard_port(iam.as_ref(), iam::Service::Ses, settings.sandbox_port).await?;
    let lambda_url = format!("http://{}", runtime.local_addr()?);

    let database = dynamodb::open(settings.data.as_deref(), &template)?;
    tokio::spawn(dynoxide::server::serve_on(dynamodb, database.clone()));
    let secrets = secrets_manager::serve(secrets, settings.data.clone()).await?;
    tokio::spawn(secrets.server);
    let queues = sqs::Queues::new(template.queues());
    tokio::spawn(sqs::serve(sqs, Arc::clone(&queues)));
    let state = clickatell::sandbox(settings.callback_url());
    let providers = clickatell::router(Arc::clone(&state)).merge(ses::router(state, settings.email_from.clone()));
    tokio::spawn(async move { axum::serve(sandbox, providers).await.expect("the server never returns") });

    let (used, first_uses) = mpsc::unbounded_channel();
    let lambda = Lambda::new(&template, &settings, &binaries()?, &runtime, &used)?;
    tokio::spawn(lambda::serve(Arc::clone(&lambda), runtime));
    event_sources::start(template.event_sources()?, &database, &queues, &lambda)?;
    tokio::spawn(gateway::serve(api, gateway::router(template.http_api(), lambda, &settings)));

    let mut watch = if settings.reload { Some(Watch::start(&lambda_url, first_uses).await?) } else { None };
    print!("{}", banner(&settings, &secrets.admin_key));
    let watch_ended = async {
        match &mut watch {
            Some(watch) => watch.wait().await,
            None => future::pending().await,
        }
    };
    tokio::select! {
        status = watch_ended => Err(format!("cargo lambda watch ended: {}", status?).into()),
        () = told_to_end(settings.until_stdin_closes) => match watch {
            Some(mut watch) => watch.stop().await,
            None => Ok(()),
        }
    }
}

/// The functions' binaries are in the same folder as this one.
fn binaries() -> Result<PathBuf> {
    let this = env::current_exe()?;
    Ok(this.parent().ok_or("this program has no parent folder")?.to_owned())
}

/// Waits for SIGINT, SIGTERM or, with `with_stdin`, the end of standard input.
async fn told_to_end(with_stdin: bool) {
    let signalled = async |kind| match signal(kind) {
        Ok(mut signals) => signals.recv().await.unwrap_or_default(),
        Err(_) => future::pending().await,
    };
    let (closed, stdin_closed) = oneshot::channel();
    if with_stdin {
        // A thread, because a blocking read of standard input can't be canceled and would keep the runtime from
        // shutting down.
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
        .map_err(|error| format!("port {port} can't be used ({error}); choose another with {variable}").into())
}

fn banner(settings: &Settings, admin_key: &str) -> String {
    let (api, sandbox) = (settings.api_url(), settings.sandbox_url());
    format!(
        "
TwoStep is ready.

  Pages      {api}
  Inbox      {sandbox}/inbox
  API docs   {api}/docs
  Settings   {api}/settings
  Admin key  {admin_key}

Register at {api}/register, or from another terminal:

  curl --json '{{\"phone\":\"+14155552671\"}}' {api}/v1/register/phone

The message is in the inbox a moment later. Press Ctrl-C to end.

"
    )
}
