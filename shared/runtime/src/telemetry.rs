//! JSON logs. Other crates' lines pass only from `warn` on: at `trace` the SDKs write whole requests, and those carry
//! phone numbers, secrets and codes.

use std::panic;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts logging, at `level` for this project's own lines.
pub fn init(level: LevelFilter) {
    let ours = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("twostep", level);
    let lines =
        tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
    // A second call happens only in a test that shares its process.
    let _ = tracing_subscriber::registry().with(ours).with(lines).try_init();
    // A panic's message may carry data, so only its place is logged.
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}
