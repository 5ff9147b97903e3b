//! SQS with the queues that `template.yaml` declares. Messages are kept in memory.

mod queue;
mod queues;
mod wire;

use std::sync::Arc;

use axum::{Router, routing::post};
pub use queue::{Message, Queue};
pub use queues::Queues;
use tokio::net::TcpListener;
pub use wire::system_attributes;

/// # Panics
/// If the listener fails.
pub async fn serve(listener: TcpListener, queues: Arc<Queues>) {
    let app = Router::new().route("/", post(wire::handle)).route("/{*queue}", post(wire::handle)).with_state(queues);
    axum::serve(listener, app).await.expect("the server never returns");
}
