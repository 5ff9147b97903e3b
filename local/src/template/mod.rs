//! The parts of `template.yaml` that the laptop reproduces.

mod document;
mod event_sources;
mod functions;
mod http_api;
mod names;
mod queues;
mod tables;

pub use document::{Template, without_tags};
pub use event_sources::{EventSource, Source};
pub use functions::Function;
pub use http_api::{HttpApi, Route, Throttle};
pub use names::physical_name;
pub use queues::{Queue, RedrivePolicy};
pub use tables::Table;
