//! What a function does while it starts, so that the first request does not wait for it: read the keys, and read the
//! settings, which also opens the connection to DynamoDB. If either fails now, that request tries again and answers 503.

use twostep_runtime::secrets::CachedSecret;
use twostep_stores::{CachedClients, CachedSettings};

pub async fn secret<T>(secret: &CachedSecret<T>) {
    if let Err(error) = secret.get().await {
        tracing::error!(%error, "a secret could not be read at start");
    }
}

pub async fn settings(settings: &CachedSettings) {
    if let Err(error) = settings.get().await {
        tracing::error!(%error, "the settings could not be read at start");
    }
}

pub async fn clients(clients: &CachedClients) {
    if let Err(error) = clients.warm_up().await {
        tracing::error!(%error, "the clients could not be read at start");
    }
}
