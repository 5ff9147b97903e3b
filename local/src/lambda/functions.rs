//! All functions of a stack.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use axum::body::Bytes;
use tokio::{net::TcpListener, sync::mpsc::UnboundedSender};

use super::{
    environment,
    failure::Failure,
    function::{Function, Place},
    seats::{Answer, Seats},
};
use crate::{
    result::Result,
    settings::Settings,
    template::{self, Template},
};

pub struct Lambda {
    functions: BTreeMap<String, Arc<Function>>,
    seats: Seats,
}

impl Lambda {
    /// The template's functions, with binaries in the folder `binaries`. [`super::serve`] must serve the runtime API at
    /// `listener`. `used` receives each function's name at its first invocation.
    ///
    /// # Errors
    /// If a function isn't built.
    pub fn new(
        template: &Template,
        settings: &Settings,
        binaries: &Path,
        listener: &TcpListener,
        used: &UnboundedSender<String>,
    ) -> Result<Arc<Self>> {
        let declared = template.functions();
        if let Some(missing) = declared.iter().find(|function| !binaries.join(&function.name).exists()) {
            return Err(format!("the function {} is not built; run `make build`", missing.name).into());
        }
        let url = format!("http://{}", listener.local_addr()?);
        let seats = Seats::default();
        let function = |declared: template::Function| {
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
        Ok(Arc::new(Self { functions: declared.into_iter().map(function).collect(), seats }))
    }

    /// The instances that may call the runtime API.
    #[must_use]
    pub fn seats(&self) -> Seats {
        self.seats.clone()
    }

    /// # Errors
    /// See [`Failure`].
    pub async fn invoke(&self, name: &str, event: Bytes) -> Answer {
        let function = self.functions.get(name).ok_or(Failure::UnknownFunction)?;
        function.invoke(event).await
    }

    /// The process IDs of a function's instances.
    #[must_use]
    pub fn processes(&self, name: &str) -> Option<Vec<u32>> {
        Some(self.functions.get(name)?.processes())
    }
}
