//! Golden events for payload format 2.0 as AWS documents it, for requests that are easy to get wrong.

use axum::http::Request;

use super::*;
use crate::{gateway::routes::Routes, template::Route};

const NOON: u64 = 1_795_521_600_000;

fn event_of(request: axum::http::request::Builder, body: &[u8]) -> Value {
    let route = |method: &str, path: &str| Route { method: method.into(), path: path.into(), function: "f".into() };
    let routes = Routes::new(vec![
        route("POST", "/v1/codes/{challenge_id}/verify"),
        route("GET", "/v1/codes/{challenge_id}"),
        route("GET", "/docs"),
        route("POST", "/docs"),
    ]);
    let (parts, ()) = request.header("host", "localhost:9000").body(()).unwrap().into_parts();
    let found = routes.find(parts.method.as_str(), parts.uri.path()).expect("a route");
    let context = Context {
        source_ip: "203.0.113.7".parse().unwrap(),
        port: 9000,
        request_id: "JKJaXmPLvHcESHA=".into(),
        time: NOON,
    };
    event(&found, &parts, &Bytes::copy_from_slice(body), &context)
}

#[test]
fn a_request_with_a_text_body() {
    let request = Request::post("/v1/codes/abc/verify?lang=es")
        .header("Content-Type", "application/json; charset=utf-8")
        .header("User-Agent", "curl/8.5.0");
    let expected = json!({
        "version": "2.0",
        "routeKey": "POST /v1/codes/{challenge_id}/verify",
        "rawPath": "/v1/codes/abc/verify",
        "rawQueryString": "lang=es",
        "headers": {
            "content-type": "application/json; charset=utf-8",
            "host": "localhost:9000",
            "user-agent": "curl/8.5.0",
            "x-forwarded-for": "203.0.113.7",
            "x-forwarded-port": "9000",
            "x-forwarded-proto": "http",
        },
        "queryStringParameters": { "lang": "es" },
        "pathParameters": { "challenge_id": "abc" },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "local",
            "domainName": "localhost",
            "domainPrefix": "localhost",
            "http": {
                "method": "POST",
                "path": "/v1/codes/abc/verify",
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "curl/8.5.0",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "POST /v1/codes/{challenge_id}/verify",
            "stage": "$default",
            "time": "24/Nov/2026:12:00:00 +0000",
            "timeEpoch": NOON,
        },
        "body": "{\"code\":\"123456\"}",
        "isBase64Encoded": false,
    });
    assert_eq!(event_of(request, b"{\"code\":\"123456\"}"), expected);
}

#[test]
fn the_path_is_decoded_and_the_query_string_is_not() {
    let event = event_of(Request::get("/v1/codes/a%20b+c%2Fd?q=a%20b+c&q=%2C&flag"), b"");
    assert_eq!(event["rawPath"], "/v1/codes/a b+c/d");
    assert_eq!(event["requestContext"]["http"]["path"], "/v1/codes/a b+c/d");
    assert_eq!(event["pathParameters"], json!({ "challenge_id": "a b+c/d" }));
    assert_eq!(event["rawQueryString"], "q=a%20b+c&q=%2C&flag");
    assert_eq!(event["queryStringParameters"], json!({ "q": "a b c,,", "flag": "" }));
}

#[test]
fn an_encoded_question_mark_ends_the_path() {
    let event = event_of(Request::get("/v1/codes/a%3Fadmin=1?q=1"), b"");
    assert_eq!((&event["rawPath"], &event["rawQueryString"]), (&json!("/v1/codes/a"), &json!("q=1")));
}

#[test]
fn what_is_no_valid_escape_stays_as_it_is() {
    let event = event_of(Request::get("/v1/codes/100%?q=%zz"), b"");
    assert_eq!(event["rawPath"], "/v1/codes/100%");
    assert_eq!(event["queryStringParameters"], json!({ "q": "%zz" }));
}

#[test]
fn cookies_are_a_list_and_no_header() {
    let request = Request::get("/docs").header("cookie", "a=1; b=2").header("cookie", "c=3");
    let event = event_of(request, b"");
    assert_eq!(event["cookies"], json!(["a=1", "b=2", "c=3"]));
    assert_eq!(event["headers"].get("cookie"), None);
}

#[test]
fn headers_of_one_name_are_joined_and_forwarded_addresses_end_with_the_peer_s() {
    let request = Request::get("/docs")
        .header("X-Custom", "one")
        .header("x-custom", "two")
        .header("X-Forwarded-For", "198.51.100.1")
        .header("X-Forwarded-Proto", "https");
    let event = event_of(request, b"");
    assert_eq!(event["headers"]["x-custom"], "one,two");
    assert_eq!(event["headers"]["x-forwarded-for"], "198.51.100.1, 203.0.113.7");
    assert_eq!(event["headers"]["x-forwarded-proto"], "http");
    assert_eq!(event["requestContext"]["http"]["sourceIp"], "203.0.113.7");
}

#[test]
fn an_empty_request_names_nothing_that_it_has_not() {
    let event = event_of(Request::post("/docs"), b"");
    for name in ["body", "cookies", "queryStringParameters", "pathParameters", "stageVariables"] {
        assert_eq!(event.get(name), None, "{name}");
    }
    assert_eq!((&event["rawQueryString"], &event["isBase64Encoded"]), (&json!(""), &json!(false)));
}

#[test]
fn bodies_of_other_types_are_base64() {
    for (kind, body, encoded) in [
        (Some("application/x-www-form-urlencoded"), &b"a=1"[..], "YT0x"),
        (Some("application/octet-stream"), &[0, 255], "AP8="),
        (Some("application/json"), &[b'"', 255, b'"'], "Iv8i"),
        (None, b"{}", "e30="),
    ] {
        let request = Request::post("/docs");
        let request = kind.map_or(Request::post("/docs"), |kind| request.header("content-type", kind));
        let event = event_of(request, body);
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!(encoded), &json!(true)), "{kind:?}");
    }
}

#[test]
fn a_compressed_text_is_base64() {
    let request = Request::post("/docs").header("content-type", "text/plain").header("content-encoding", "gzip");
    assert_eq!(event_of(request, b"x")["isBase64Encoded"], true);
}

#[test]
fn a_long_path_arrives_whole() {
    let id = "x".repeat(8_000);
    let event = event_of(Request::get(format!("/v1/codes/{id}")), b"");
    assert_eq!(event["pathParameters"]["challenge_id"].as_str().unwrap(), id);
}
