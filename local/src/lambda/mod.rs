//! Lambda's stand-in: runs the functions' binaries, each in up to `CONCURRENCY` processes, and hands them events
//! through the runtime API. A process works on one event at a time, is ended when it takes longer than the template
//! allows, and gets a successor when it was killed.

pub mod environment;
mod failure;
mod function;
mod instance;
mod invoke_api;
mod runtime_api;
pub mod watch;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use axum::body::Bytes;
pub use failure::Failure;
use function::{Function, Place};
pub use instance::Answer;
pub use invoke_api::router as invoke_api;
use runtime_api::Seats;
use tokio::{net::TcpListener, sync::mpsc::UnboundedSender};

use crate::{result::Result, settings::Settings, template::Template};

/// One event for one instance.
pub struct Invocation {
    pub request: String,
    pub event: Bytes,
    /// When the invocation will be ended, in milliseconds since 1970.
    pub deadline: u64,
}

pub struct Lambda {
    functions: BTreeMap<String, Arc<Function>>,
    seats: Seats,
}

impl Lambda {
    /// The functions of the template, whose binaries are in the folder `binaries`. Their runtime API must be served at
    /// `listener` by [`Self::serve`]. A function's name is sent to `used` when it is invoked first.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn new(
        template: &Template,
        settings: &Settings,
        binaries: &Path,
        listener: &TcpListener,
        used: &UnboundedSender<String>,
    ) -> Result<Arc<Self>> {
        let url = format!("http://{}", listener.local_addr()?);
        let seats = Seats::default();
        let function = |declared: crate::template::Function| {
            let environment = environment::of(&declared, template, settings);
            let place = Place {
                binary: binaries.join(&declared.name),
                environment,
                timeout: declared.timeout,
                concurrency: usize::from(settings.concurrency),
                runtime_url: url.clone(),
                seats: seats.clone(),
                used: used.clone(),
            };
            (declared.name.clone(), Arc::new(Function::new(declared.name, place)))
        };
        Ok(Arc::new(Self { functions: template.functions().into_iter().map(function).collect(), seats }))
    }

    /// Serves the runtime API, and Lambda's own.
    ///
    /// # Panics
    /// When the listener fails.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let app = runtime_api::router(self.seats.clone()).merge(invoke_api(self));
        axum::serve(listener, app).await.expect("serving does not end");
    }

    /// # Errors
    /// See [`Failure`].
    pub async fn invoke(&self, name: &str, event: Bytes) -> Answer {
        let function = self.functions.get(name).ok_or(Failure::UnknownFunction)?;
        function.invoke(event).await
    }

    /// The process ids of a function's instances.
    #[must_use]
    pub fn processes(&self, name: &str) -> Option<Vec<u32>> {
        Some(self.functions.get(name)?.processes())
    }

    #[must_use]
    pub fn functions(&self) -> Vec<&str> {
        self.functions.keys().map(String::as_str).collect()
    }
}
