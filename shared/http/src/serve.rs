//! Serves requests for as long as the function lives: logs one line for each and counts what went wrong.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use lambda_http::{
    Body, Error, Request, RequestExt, Response,
    http::header::{HeaderValue, X_CONTENT_TYPE_OPTIONS},
    service_fn,
};
use tokio::time::timeout_at;
use twostep_domain::time::Clock;
use twostep_runtime::{
    Deadline, Startup,
    telemetry::with_request_id,
    xray::{self, XRay},
};

use super::{
    Answer, Problem,
    cross_origin::{Callers, CrossOrigin},
    edge::Edge,
};

/// Serves clients and pages. A page of another site may change something only if its origin is allowed.
///
/// # Errors
/// If the Lambda runtime itself fails.
pub async fn serve<H, F>(startup: &Startup, handler: H) -> Result<(), Error>
where
    H: Fn(Request) -> F + Send + Sync,
    F: Future<Output = Result<Answer, Problem>> + Send,
{
    run(startup, Callers::Pages, handler).await
}

/// Serves routes that other servers call: each request authenticates itself, so its origin doesn't matter.
///
/// # Errors
/// As [`serve`].
pub async fn serve_servers<H, F>(startup: &Startup, handler: H) -> Result<(), Error>
where
    H: Fn(Request) -> F + Send + Sync,
    F: Future<Output = Result<Answer, Problem>> + Send,
{
    run(startup, Callers::Servers, handler).await
}

async fn run<H, F>(startup: &Startup, callers: Callers, handler: H) -> Result<(), Error>
where
    H: Fn(Request) -> F + Send + Sync,
    F: Future<Output = Result<Answer, Problem>> + Send,
{
    let cross_origin = CrossOrigin::new(startup.allowed_origins.clone(), callers);
    let edge = Edge::new(startup.origin_secrets.clone());
    let xray = XRay::open(&startup.env)?;
    let (handler, clock, cross_origin, edge, xray) = (&handler, &startup.clock, &cross_origin, &edge, &xray);
    lambda_http::run(service_fn(move |request: Request| async move {
        let context = request.lambda_context_ref().cloned().unwrap_or_default();
        let (method, began) = (request.method().clone(), xray::seconds());
        let work = async move {
            let headers = request.headers().clone();
            let preflight = CrossOrigin::preflight(&request);
            let is_preflight = preflight.is_some();
            let mut response = match preflight {
                Some(response) => response,
                None => respond(&**clock, edge, cross_origin, handler, request).await,
            };
            cross_origin.allow(&headers, is_preflight, response.headers_mut());
            Ok::<_, Error>(response)
        };
        let response = with_request_id(context.request_id, work).await;
        if let (Some(trace), Ok(response)) = (&context.xray_trace_id, &response) {
            xray.record(trace, method.as_str(), response.status().as_u16(), began, xray::seconds());
        }
        response
    }))
    .await
}

/// What the response itself takes at most.
const RESPONDING: Duration = Duration::from_secs(1);

/// The response to one request. A panic becomes a 500; the panic hook has logged where it happened. A dependency that hangs
/// becomes a 503 before Lambda stops the function.
async fn respond<H, F>(
    clock: &dyn Clock,
    edge: &Edge,
    cross_origin: &CrossOrigin,
    handler: &H,
    mut request: Request,
) -> Response<Body>
where
    H: Fn(Request) -> F,
    F: Future<Output = Result<Answer, Problem>>,
{
    let line = LogLine::begin(&request);
    let deadline = request.lambda_context_ref().map(|context| Deadline::at(context.deadline()));
    let handled = AssertUnwindSafe(async {
        edge.admit(&mut request)?;
        cross_origin.check(&request)?;
        handler(request).await
    })
    .catch_unwind();
    let handled = match deadline {
        Some(deadline) => timeout_at(deadline.leaving(RESPONDING), handled).await.unwrap_or_else(|_| {
            tracing::error!("no time is left for a request");
            Ok(Err(Problem::Unavailable))
        }),
        None => handled.await,
    };
    let result = handled.unwrap_or(Err(Problem::InternalError));
    let code = result.as_ref().err().map(Problem::code);
    if let Some(metric) = result.as_ref().err().and_then(Problem::metric) {
        metric.emit(clock.now());
    }
    let mut response = result.map_or_else(Problem::into_response, Answer::into_response);
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    line.end(&response, code);
    response
}

/// The method is logged, never the path: it can carry a challenge id or the callback token.
struct LogLine {
    method: String,
    began: Instant,
}

impl LogLine {
    #[expect(clippy::disallowed_methods, reason = "how long a request took is only logged")]
    fn begin(request: &Request) -> Self {
        Self { method: request.method().to_string(), began: Instant::now() }
    }

    fn end(self, response: &Response<Body>, code: Option<&'static str>) {
        tracing::info!(
            method = self.method,
            status = response.status().as_u16(),
            code,
            duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "request served"
        );
    }
}

#[cfg(test)]
mod tests {
    use twostep_crypto::origin_secret::OriginSecrets;
    use twostep_domain::time::Timestamp;

    use super::*;

    struct StoppedClock;

    impl Clock for StoppedClock {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }
    }

    #[tokio::test]
    async fn a_request_that_hangs_gets_a_503_before_its_deadline() {
        let begun = tokio::time::Instant::now();
        let handler = |_: Request| std::future::pending::<Result<Answer, Problem>>();
        let mut context = lambda_http::Context::default();
        let deadline = std::time::UNIX_EPOCH.elapsed().expect("a clock") + Duration::from_millis(1_200);
        context.deadline = u64::try_from(deadline.as_millis()).expect("milliseconds");
        let request = Request::new(Body::Empty).with_lambda_context(context);
        let rules = CrossOrigin::new(Vec::new(), Callers::Servers);
        let edge = Edge::new(OriginSecrets::default());
        let response = respond(&StoppedClock, &edge, &rules, &handler, request).await;
        assert!(begun.elapsed() < Duration::from_millis(1_200));
        assert_eq!(response.status(), 503);
        assert!(response.headers().contains_key("retry-after"));
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["code"], "temporarily_unavailable");
    }

    #[tokio::test]
    async fn a_panic_becomes_a_500_and_the_next_request_is_served() {
        let handler = |request: Request| async move {
            assert!(request.method() != "DELETE", "a bug");
            Ok(Answer::empty())
        };
        let request =
            |method: &str| lambda_http::http::Request::builder().method(method).body(Body::Empty).expect("a request");
        let rules = CrossOrigin::new(Vec::new(), Callers::Pages);
        let edge = Edge::new(OriginSecrets::default());
        let response = respond(&StoppedClock, &edge, &rules, &handler, request("DELETE")).await;
        assert_eq!(response.status(), 500);
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["code"], "internal_error");
        assert!(!body.to_string().contains("a bug"), "a panic's message stays inside");
        assert_eq!(respond(&StoppedClock, &edge, &rules, &handler, request("GET")).await.status(), 204);
    }
}
