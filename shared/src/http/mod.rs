//! The HTTP edge: reading requests, writing answers, and the one place where an error becomes a status.

mod answer;
mod cookie;
mod problem;
mod request;

use std::{future::Future, time::Instant};

pub use answer::{Answer, ChallengeBody, KeptToken, SessionBody, UserBody};
pub use cookie::{Carrier, Jar};
use lambda_http::{Body, RequestExt, Response, service_fn};
pub use lambda_http::{Error, Request};
pub use problem::Problem;
pub use request::{bearer, body, domain_name, language, no_body, segment_after, source_address, user_agent};

use crate::{
    clock::{Clock, SystemClock},
    metrics,
};

/// Serves requests with `handler` for as long as the function lives, logs one line for each and counts what went wrong.
///
/// # Errors
/// When the Lambda runtime itself fails.
pub async fn run<H, F>(handler: H) -> Result<(), Error>
where
    H: Fn(Request) -> F + Send + Sync,
    F: Future<Output = Result<Answer, Problem>> + Send,
{
    let handler = &handler;
    lambda_http::run(service_fn(move |request: Request| async move {
        let line = LogLine::begin(&request);
        let result = handler(request).await;
        let code = result.as_ref().err().map(Problem::code);
        if let Some(metric) = result.as_ref().err().and_then(Problem::metric) {
            metrics::emit(metric, SystemClock.now());
        }
        let response = result.map_or_else(Problem::into_response, Answer::into_response);
        line.end(&response, code);
        Ok::<_, Error>(response)
    }))
    .await
}

/// Method and route are logged, never the path: it can carry a challenge's id or a callback's token.
struct LogLine {
    request_id: String,
    method: String,
    began: Instant,
}

impl LogLine {
    #[expect(clippy::disallowed_methods, reason = "how long a request took is told to the log only")]
    fn begin(request: &Request) -> Self {
        let request_id = request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default();
        Self { request_id, method: request.method().to_string(), began: Instant::now() }
    }

    fn end(self, response: &Response<Body>, code: Option<&'static str>) {
        tracing::info!(
            request_id = self.request_id,
            method = self.method,
            status = response.status().as_u16(),
            code,
            duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "request served"
        );
    }
}
