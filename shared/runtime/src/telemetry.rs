//! JSON logs. Every line of a request or an event names its request ID, which Lambda and the access log name too. Other crates' lines pass only from `warn` on: at `trace` the SDKs write whole requests, and those carry
//! phone numbers, secrets and codes.

use std::{
    fmt, panic,
    sync::{Mutex, PoisonError},
};

use serde_json::json;
use tracing::{Event, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    filter::Targets,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Json, Writer},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

/// The present invocation. A process has one at a time, and its parallel tasks belong to it.
static REQUEST_ID: Mutex<Option<String>> = Mutex::new(None);

/// Runs `work` for the invocation `request_id`: its log lines and metrics name it.
pub async fn with_request_id<F: Future>(request_id: String, work: F) -> F::Output {
    set_request_id(Some(request_id));
    let output = work.await;
    set_request_id(None);
    output
}

fn set_request_id(request_id: Option<String>) {
    *REQUEST_ID.lock().unwrap_or_else(PoisonError::into_inner) = request_id;
}

/// The invocation that this code runs for; `None` while a function starts.
#[must_use]
pub fn request_id() -> Option<String> {
    REQUEST_ID.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Puts the request ID at the start of each line.
struct WithRequestId(Format<Json>);

impl<S, N> FormatEvent<S, N> for WithRequestId
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    Format<Json>: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        match (request_id(), line.strip_prefix('{')) {
            (Some(id), Some(rest)) => write!(writer, "{{\"request_id\":{},{rest}", json!(id)),
            _ => writer.write_str(&line),
        }
    }
}

/// Starts logging, at `level` for this project's own lines.
pub fn init(level: LevelFilter) {
    let ours = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("twostep", level);
    let lines = tracing_subscriber::fmt::layer().json().event_format(WithRequestId(format()));
    // A second call happens only in a test that shares its process.
    let _ = tracing_subscriber::registry().with(ours).with(lines).try_init();
    // A panic's message may carry data, so only its place is logged.
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}

fn format() -> Format<Json> {
    Format::default().json().flatten_event(true).with_current_span(false).with_span_list(false)
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use serde_json::Value;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Written {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[tokio::test]
    async fn every_line_of_a_request_names_it() {
        let written = Written::default();
        let layer = tracing_subscriber::fmt::layer().json().event_format(WithRequestId(format()));
        let subscriber = tracing_subscriber::registry().with(layer.with_writer(written.clone()));
        let _guard = tracing::subscriber::set_default(subscriber);
        tracing::info!("starting");
        with_request_id("one\"".to_owned(), async { tracing::info!(code = 7, "working") }).await;
        with_request_id("other".to_owned(), async { tracing::warn!("working too") }).await;
        tracing::info!("idle");
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines[0]["request_id"], Value::Null, "no request yet");
        assert_eq!((&lines[1]["request_id"], &lines[1]["code"]), (&json!("one\""), &json!(7)));
        assert_eq!((&lines[2]["request_id"], &lines[2]["message"]), (&json!("other"), &json!("working too")));
        assert_eq!(lines[3]["request_id"], Value::Null, "the request has ended");
    }
}
