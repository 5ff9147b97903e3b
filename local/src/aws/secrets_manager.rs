//! Secrets Manager as a server, with the secrets that a deployment creates.

use std::{
    fs,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::net::TcpListener;
use twostep_crypto::key_ring::KeysSecret;
use twostep_domain::{random, time::Clock};
use twostep_runtime::{clock::SystemClock, entropy};
use winterbaume_core::{MockRequest, MockService, StatefulService, default_account_id};
use winterbaume_secretsmanager::SecretsManagerService;

use crate::{clickatell, result::Result, settings::CALLBACK_TOKEN};

pub const KEYS: &str = "twostep/keys";
pub const ADMIN: &str = "twostep/admin";
pub const CLICKATELL: &str = "twostep/clickatell";
pub const CALLBACK: &str = "twostep/callback";

/// The service's default if a request names no region.
const REGION: &str = "us-east-1";
const LONGEST_REQUEST: usize = 1024 * 1024;

/// The running server, and the admin key that it stores.
pub struct Secrets {
    pub admin_key: String,
    pub server: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Restores the secrets of an earlier run, or creates new ones.
///
/// # Errors
/// If the secrets of an earlier run can't be read.
pub async fn serve(listener: TcpListener, data: Option<PathBuf>) -> Result<Secrets> {
    let service = Arc::new(SecretsManagerService::new());
    let file = data.map(|folder| folder.join("secrets.json"));
    if let Some(kept) = file.as_deref().and_then(|file| fs::read(file).ok()) {
        let kept = serde_json::from_slice(&kept).map_err(|error| format!("target/local/secrets.json: {error}"))?;
        service.restore(default_account_id(), REGION, kept).await.map_err(|error| error.to_string())?;
        // The secrets of an earlier version lack it.
        let _ = create(&service, CALLBACK, CALLBACK_TOKEN).await;
    } else {
        let keys = KeysSecret::first(SystemClock.now(), &mut entropy::system())?.write();
        create(&service, KEYS, keys.expose_secret()).await?;
        let account = json!({ "api_key": clickatell::API_KEY, "api": "rest" });
        create(&service, CLICKATELL, &account.to_string()).await?;
        create(&service, CALLBACK, CALLBACK_TOKEN).await?;
        create(&service, ADMIN, &random::identifier(&mut entropy::system())).await?;
    }
    if let Some(file) = file {
        let snapshot = service.snapshot(default_account_id(), REGION).await;
        keep(&file, &serde_json::to_vec(&snapshot)?);
        service.notifier().subscribe(move |_, _, secrets| {
            if let Ok(text) = serde_json::to_vec(secrets) {
                keep(&file, &text);
            }
        });
    }
    let secrets = serde_json::to_value(service.snapshot(default_account_id(), REGION).await)?;
    let mut versions = secrets["secrets"][ADMIN]["versions"].as_object().into_iter().flatten();
    let admin_key = versions.find_map(|(_, version)| version["secret_string"].as_str()).unwrap_or_default().to_owned();
    let app = Router::new().fallback(handle).with_state(service);
    let server = Box::pin(async move { axum::serve(listener, app).await.expect("the server never returns") });
    Ok(Secrets { admin_key, server })
}

async fn create(service: &SecretsManagerService, name: &str, text: &str) -> Result<()> {
    let mut request = MockRequest {
        method: "POST".into(),
        uri: "/".into(),
        headers: axum::http::HeaderMap::new(),
        body: json!({ "Name": name, "SecretString": text }).to_string().into(),
    };
    request.headers.insert("x-amz-target", "secretsmanager.CreateSecret".parse()?);
    let answer = service.handle(request).await;
    if answer.status == 200 { Ok(()) } else { Err(format!("the secret {name} can't be created").into()) }
}

fn keep(file: &Path, text: &[u8]) {
    // Write to a second file and rename it, so that a crash leaves either the old or the new content.
    let beside = file.with_extension("new");
    if let Err(error) = fs::write(&beside, text).and_then(|()| fs::rename(&beside, file)) {
        eprintln!("twostep-local: can't save secrets: {error}");
    }
}

async fn handle(State(service): State<Arc<SecretsManagerService>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, LONGEST_REQUEST).await.unwrap_or_default();
    let request =
        MockRequest { method: parts.method.to_string(), uri: parts.uri.to_string(), headers: parts.headers, body };
    let answer = service.handle(request).await;
    let status = axum::http::StatusCode::from_u16(answer.status).unwrap_or_default();
    (status, answer.headers, answer.body).into_response()
}
