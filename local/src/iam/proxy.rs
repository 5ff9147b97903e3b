//! A proxy in front of an AWS stand-in that checks every function call with IAM.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    Enforcement,
    calls::{Call, Service},
};
use crate::{http_client::http_client, result::Result};

/// Prefix of the access key IDs that name functions.
const FUNCTION_KEY: &str = "function-";

/// In bytes; more than DynamoDB accepts.
const LONGEST_REQUEST: usize = 16 * 1024 * 1024;

/// Longer than any client here waits.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// The access key ID that a function signs its calls with.
#[must_use]
pub fn access_key_id(function: &str) -> String {
    format!("{FUNCTION_KEY}{function}")
}

struct Proxy {
    service: Service,
    enforcement: Arc<Enforcement>,
    client: reqwest::Client,
    behind: String,
}

/// Accepts the calls that arrive at `listener`. Returns the listener that the stand-in must serve instead.
///
/// # Errors
/// If no port is free.
pub async fn start(listener: TcpListener, service: Service, enforcement: Arc<Enforcement>) -> Result<TcpListener> {
    let inner = TcpListener::bind(("127.0.0.1", 0)).await?;
    serve(listener, service, enforcement, format!("http://{}", inner.local_addr()?));
    Ok(inner)
}

/// Checks the calls that arrive at `listener`, and hands them on to the stand-in at the URL `behind`.
pub fn serve(listener: TcpListener, service: Service, enforcement: Arc<Enforcement>, behind: String) {
    let proxy = Arc::new(Proxy { service, enforcement, client: http_client(PATIENCE), behind });
    let app = Router::new().fallback(handle).with_state(proxy);
    tokio::spawn(async move { axum::serve(listener, app).await.expect("the server never returns") });
}

async fn handle(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LONGEST_REQUEST).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    if let Some(function) = function_of(&parts.headers) {
        let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        let (method, path) = (parts.method.as_str(), parts.uri.path());
        let call = Call { service: proxy.service, method, path, target, body: &asked };
        if let Err(message) = proxy.enforcement.check(function, &call) {
            return denied(proxy.service, &message);
        }
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut onward = proxy.client.request(parts.method, format!("{}{path}", proxy.behind)).body(body);
    for (name, value) in parts.headers.iter().filter(|(name, _)| *name != header::HOST) {
        onward = onward.header(name, value);
    }
    match onward.send().await {
        Ok(answer) => hand_back(answer).await,
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

async fn hand_back(answer: reqwest::Response) -> Response {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let Ok(body) = answer.bytes().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let mut response = (status, Body::from(body)).into_response();
    *response.headers_mut() = headers;
    response.headers_mut().remove(header::TRANSFER_ENCODING);
    response
}

/// The function that signed a call, from the access key ID in its signature (IAM User Guide, "Create a signed AWS API
/// request", `Credential`). `None` for any other signer.
fn function_of(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    credential.split('/').next()?.strip_prefix(FUNCTION_KEY)
}

/// The response to a denied call, in the service's own format.
fn denied(service: Service, message: &str) -> Response {
    let (status, content_type, body) = match service {
        Service::DynamoDb => (
            StatusCode::BAD_REQUEST,
            "application/x-amz-json-1.0",
            json!({ "__type": "com.amazon.coral.service#AccessDeniedException", "Message": message }),
        ),
        Service::SecretsManager => (
            StatusCode::BAD_REQUEST,
            "application/x-amz-json-1.1",
            json!({ "__type": "AccessDeniedException", "Message": message }),
        ),
        Service::Ses => (StatusCode::FORBIDDEN, "application/json", json!({ "message": message })),
        Service::Sqs => (
            StatusCode::FORBIDDEN,
            "application/x-amz-json-1.0",
            json!({ "__type": "com.amazon.coral.service#AccessDeniedException", "Message": message }),
        ),
    };
    let mut response = (status, Bytes::from(body.to_string())).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type.parse().expect("a media type"));
    if service == Service::Ses {
        headers.insert("x-amzn-errortype", "AccessDeniedException".parse().expect("a name"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(function: &str) -> Value {
        json!({ "Resources": {
            "Function": { "Type": "AWS::Lambda::Function", "Properties": {
                "Code": { "S3Key": format!("functions/{function}") },
                "Role": { "Fn::GetAtt": ["FunctionRole", "Arn"] },
            } },
            "FunctionRole": { "Type": "AWS::IAM::Role", "Properties": {} },
        } })
    }

    /// The status, headers and body of the response to a function without any permission.
    async fn answer(service: Service, target: &str, path: &str, asked: &Value) -> (u16, HeaderMap, Value) {
        let enforcement = Enforcement::new(&template("send-email"), None).unwrap();
        let call = Call { service, method: "POST", path, target, body: asked };
        let message = enforcement.check("send-email", &call).unwrap_err();
        let (parts, body) = denied(service, &message).into_parts();
        let body = axum::body::to_bytes(body, LONGEST_REQUEST).await.unwrap();
        (parts.status.as_u16(), parts.headers, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn ses_and_sqs_deny_in_their_own_words() {
        let email = json!({ "FromEmailAddress": "codes@example.com", "Content": { "Simple": {} } });
        let (status, headers, body) = answer(Service::Ses, "", "/v2/email/outbound-emails", &email).await;
        let user = "arn:aws:sts::123456789012:assumed-role/FunctionRole/send-email";
        let identity = "arn:aws:ses:us-east-1:123456789012:identity/codes@example.com";
        let message = format!("User `{user}' is not authorized to perform `ses:SendEmail' on resource `{identity}'");
        assert_eq!((status, body), (403, json!({ "message": message })));
        assert_eq!(headers["x-amzn-errortype"], "AccessDeniedException");

        let message = json!({ "QueueUrl": "http://localhost:1/123456789012/later", "MessageBody": "x" });
        let (status, _, body) = answer(Service::Sqs, "AmazonSQS.SendMessage", "/", &message).await;
        let queue = "arn:aws:sqs:us-east-1:123456789012:later";
        let reason = "because no identity-based policy allows the sqs:sendmessage action";
        let message =
            format!("User: {user} is not authorized to perform: sqs:sendmessage on resource: {queue} {reason}");
        let body_of_aws = json!({ "__type": "com.amazon.coral.service#AccessDeniedException", "Message": message });
        assert_eq!((status, body), (403, body_of_aws));
    }

    #[test]
    fn a_function_is_known_by_the_access_key_id_of_its_signature() {
        let named = |authorization: &str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, authorization.parse().unwrap())]);
            function_of(&headers).map(str::to_owned)
        };
        let signature = |key: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential={key}/20261124/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=x"
            )
        };
        assert_eq!(named(&signature(&access_key_id("send-sms"))).as_deref(), Some("send-sms"));
        assert_eq!(named(&signature("local")), None);
        assert_eq!(named("Bearer function-web"), None);
        assert_eq!(function_of(&HeaderMap::new()), None);
    }
}
