//! Converts a function's result to a response. Handles payload format 2.0, explicit or inferred (API Gateway developer
//! guide, "Create AWS Lambda proxy integrations for HTTP APIs").

use axum::{
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

/// Headers that the gateway sets itself.
const OWN: [HeaderName; 4] = [header::CONTENT_LENGTH, header::CONNECTION, header::TRANSFER_ENCODING, header::DATE];

/// Returns `None` if the result is malformed: an invalid status, a body that isn't the base64 that it claims to be, or
/// a header that HTTP doesn't allow.
#[must_use]
pub fn response(payload: &Bytes) -> Option<Response> {
    let answer: Value = serde_json::from_slice(payload).ok()?;
    if answer.get("statusCode").is_none() {
        return Some(inferred(&answer));
    }
    let mut response = Response::new(Body::from(body(&answer)?));
    *response.status_mut() = status(&answer["statusCode"])?;
    let headers = response.headers_mut();
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        let name: HeaderName = name.parse().ok()?;
        if !OWN.contains(&name) {
            headers.insert(name, HeaderValue::from_bytes(plain(value).as_bytes()).ok()?);
        }
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten() {
        headers.append(header::SET_COOKIE, HeaderValue::from_bytes(plain(cookie).as_bytes()).ok()?);
    }
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain;charset=UTF-8"));
    Some(response)
}

/// Without a status code, the whole result is the body of a 200 response.
fn inferred(answer: &Value) -> Response {
    let mut response = Response::new(Body::from(plain(answer)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn body(answer: &Value) -> Option<Vec<u8>> {
    let body = match &answer["body"] {
        Value::Null => String::new(),
        body => plain(body),
    };
    if answer["isBase64Encoded"] == true { STANDARD.decode(body).ok() } else { Some(body.into_bytes()) }
}

/// Accepts a number or a numeric string.
fn status(value: &Value) -> Option<StatusCode> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    StatusCode::from_u16(u16::try_from(number).ok()?)
        .ok()
        .filter(|status| status.as_u16() < 600 && status.as_u16() >= 200)
}

/// Strings stay as they are; other values become JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn read(payload: Value) -> Option<(u16, Vec<(String, String)>, Vec<u8>)> {
        let response = response(&Bytes::from(payload.to_string()))?;
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Some((status, headers, body.to_vec()))
    }

    fn header(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[tokio::test]
    async fn an_answer_in_full() {
        let answer = json!({
            "statusCode": 201,
            "headers": { "Content-Type": "application/json", "X-Number": 7, "content-length": "999" },
            "cookies": ["a=1; Path=/", "b=2"],
            "body": "{}",
        });
        let (status, headers, body) = read(answer).await.unwrap();
        assert_eq!((status, &*body), (201, &b"{}"[..]));
        let expected = [
            header("content-type", "application/json"),
            header("x-number", "7"),
            header("set-cookie", "a=1; Path=/"),
            header("set-cookie", "b=2"),
        ];
        assert_eq!(headers, expected);
    }

    #[tokio::test]
    async fn a_binary_body_comes_in_base64() {
        let answer = json!({ "statusCode": "200", "isBase64Encoded": true, "body": "AP8=" });
        let (status, headers, body) = read(answer).await.unwrap();
        assert_eq!((status, body), (200, vec![0, 255]));
        assert_eq!(headers, [header("content-type", "text/plain;charset=UTF-8")]);
    }

    #[tokio::test]
    async fn without_a_status_the_answer_is_the_body() {
        let json = [header("content-type", "application/json")];
        for (answer, expected) in [
            (json!({ "message": "hello" }), &br#"{"message":"hello"}"#[..]),
            (json!("hello"), b"hello"),
            (json!([1, 2]), b"[1,2]"),
            (Value::Null, b"null"),
        ] {
            let (status, headers, body) = read(answer).await.unwrap();
            assert_eq!((status, &*headers, &*body), (200, &json[..], expected));
        }
    }

    #[tokio::test]
    async fn what_is_no_answer_is_none() {
        for answer in [
            json!({ "statusCode": "fine" }),
            json!({ "statusCode": 99 }),
            json!({ "statusCode": null }),
            json!({ "statusCode": 200, "isBase64Encoded": true, "body": "*" }),
            json!({ "statusCode": 200, "headers": { "a b": "c" } }),
        ] {
            assert_eq!(read(answer.clone()).await, None, "{answer}");
        }
        assert!(response(&Bytes::from_static(b"not JSON")).is_none());
    }
}
