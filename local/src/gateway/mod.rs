//! Stand-in for API Gateway: an HTTP API with the routes and throttles of `template.yaml`. HTTP/1.1 only.

mod answer;
mod event;
mod percent;
mod refusal;
mod routes;
mod throttle;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use refusal::Refusal;
use routes::Routes;
use throttle::Throttles;
use tokio::{net::TcpListener, time::Instant};

use crate::{
    clock,
    identifier::uuid,
    lambda::{self, Failure, Lambda},
    settings::Settings,
    template::HttpApi,
};

/// Quotas of HTTP APIs (API Gateway developer guide, "Quotas for configuring and running an HTTP API").
const LARGEST_BODY: usize = 10 * 1024 * 1024;
const LARGEST_HEAD: usize = 10_240;
const INTEGRATION_LIMIT: Duration = Duration::from_secs(30);

struct Gateway {
    routes: Routes,
    throttles: Option<Throttles>,
    source_ip_header: Option<String>,
    port: u16,
    lambda: Arc<Lambda>,
}

/// The HTTP API and Lambda's own API on one port, as in `cargo lambda watch`.
pub fn router(api: HttpApi, lambda: Arc<Lambda>, settings: &Settings) -> Router {
    let gateway = Gateway {
        routes: Routes::new(api.routes),
        throttles: settings.throttles.then(|| Throttles::new(api.throttles, api.default_throttle)),
        source_ip_header: settings.source_ip_header.clone(),
        port: settings.api_port,
        lambda: Arc::clone(&lambda),
    };
    Router::new().fallback(handle).with_state(Arc::new(gateway)).merge(lambda::invoke_api(lambda))
}

/// # Panics
/// If the listener fails.
pub async fn serve(listener: TcpListener, router: Router) {
    let app = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).await.expect("the server never returns");
}

async fn handle(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let request_id = request_id();
    let body = to_bytes(body, LARGEST_BODY).await.map_err(|_| Refusal::PayloadTooLarge);
    let answer = match body {
        Ok(body) => gateway.answer(&parts, &body, peer.ip(), request_id.clone()).await,
        Err(refusal) => Err(refusal),
    };
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("apigw-requestid", id);
    }
    response
}

impl Gateway {
    async fn answer(&self, parts: &Parts, body: &Bytes, peer: IpAddr, request_id: String) -> Result<Response, Refusal> {
        if head_size(parts) > LARGEST_HEAD {
            return Err(Refusal::HeadersTooLarge);
        }
        let found = self.routes.find(parts.method.as_str(), parts.uri.path()).ok_or(Refusal::NotFound)?;
        if let Some(throttles) = &self.throttles
            && !throttles.admits(&found.route.key(), Instant::now())
        {
            return Err(Refusal::TooManyRequests);
        }
        let context = event::Context {
            source_ip: self.source_ip(&parts.headers, peer),
            port: self.port,
            request_id,
            time: clock::epoch_millis(),
        };
        let event = Bytes::from(event::event(&found, parts, body, &context).to_string());
        let invocation = self.lambda.invoke(&found.route.function, event);
        match tokio::time::timeout(INTEGRATION_LIMIT, invocation).await {
            Ok(Ok(payload)) => answer::response(&payload).ok_or(Refusal::InternalServerError),
            Ok(Err(Failure::PayloadTooLarge)) => Err(Refusal::PayloadTooLarge),
            Ok(Err(Failure::TooManyRequests)) | Err(_) => Err(Refusal::ServiceUnavailable),
            Ok(Err(failure)) => {
                report(&found.route.function, &failure);
                Err(Refusal::InternalServerError)
            }
        }
    }

    /// The peer's IP, unless a test overrides it with a header. The header is trusted only from loopback.
    fn source_ip(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let named = self.source_ip_header.as_ref().filter(|_| peer.is_loopback());
        let named = named.and_then(|name| headers.get(name)?.to_str().ok()?.parse().ok());
        named.unwrap_or(peer)
    }
}

/// Logs why a function failed. The caller gets no details.
fn report(function: &str, failure: &Failure) {
    if let Failure::Function { payload, .. } = failure {
        eprintln!("twostep-local: {function} failed: {}", String::from_utf8_lossy(payload));
    }
}

/// Size of the request line and headers, in bytes.
fn head_size(parts: &Parts) -> usize {
    let headers = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    parts.method.as_str().len() + target + headers.sum::<usize>()
}

/// An ID that looks like API Gateway's: `JKJaXmPLvHcESHA=`.
fn request_id() -> String {
    STANDARD.encode(&uuid().as_bytes()[..11])
}
