//! Stand-in for Lambda: runs the functions' binaries, each in up to `CONCURRENCY` processes, and sends them events
//! through the runtime API. A process handles one event at a time, is killed if it exceeds the template's `Timeout`,
//! and is replaced if it is killed.

pub mod environment;
mod failure;
mod function;
mod functions;
mod instance;
mod invoke_api;
mod runtime_api;
mod seats;
pub mod watch;

use std::sync::Arc;

pub use failure::Failure;
pub use functions::Lambda;
pub use invoke_api::router as invoke_api;
pub use seats::Answer;
use tokio::net::TcpListener;

/// Serves the runtime API and Lambda's own API.
///
/// # Panics
/// If the listener fails.
pub async fn serve(lambda: Arc<Lambda>, listener: TcpListener) {
    let app = runtime_api::router(lambda.seats()).merge(invoke_api(lambda));
    axum::serve(listener, app).await.expect("the server never returns");
}
