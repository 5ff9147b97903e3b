//! JSON logs. Only this project's own lines get past `warn`: at `trace` the SDKs write whole requests, and those carry
//! phone numbers, secrets and codes.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts logging at `level` for this project.
pub fn init(level: LevelFilter) {
    let ours = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("twostep", level);
    let lines =
        tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
    // A second call would only happen in a test that shares its process.
    let _ = tracing_subscriber::registry().with(ours).with(lines).try_init();
}
