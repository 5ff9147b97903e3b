//! Pages of other origins: CORS for those that the operator allows, and a refusal of writes from all others.

use reqwest::{Method, header};
use serde_json::json;
use twostep_tests::{SHOP, Stack, http, template};

const EVIL: &str = "https://evil.example";

async fn send(
    stack: &Stack,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, Vec<(String, String)>, serde_json::Value) {
    let mut request = http().request(method, format!("http://localhost:{}{path}", stack.api_port));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.body(body.to_owned()).send().await.expect("the API answers");
    let of_interest = |name: &str| name.starts_with("access-control-") || name == header::VARY;
    let headers = answer.headers().iter().filter(|(name, _)| of_interest(name.as_str()));
    let mut headers: Vec<(String, String)> =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    headers.sort();
    (answer.status().as_u16(), headers, answer.json().await.unwrap_or_default())
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn preflights_are_answered_for_allowed_origins_only() {
    let stack = Stack::shared().await;
    for path in ["/v1/login/phone", "/v1/profile", "/v1/codes/abc/verify"] {
        let asks = |origin| [("origin", origin), ("access-control-request-method", "POST")];
        let (status, headers, _) = send(stack, Method::OPTIONS, path, &asks(SHOP), "").await;
        let expected = pairs(&[
            ("access-control-allow-headers", "authorization, content-type, idempotency-key"),
            ("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE"),
            ("access-control-allow-origin", SHOP),
            ("access-control-max-age", "7200"),
            ("vary", "origin"),
        ]);
        assert_eq!((status, headers), (204, expected), "{path}");
        let (status, headers, _) = send(stack, Method::OPTIONS, path, &asks(EVIL), "").await;
        assert_eq!((status, headers), (204, pairs(&[("vary", "origin")])), "{path}");
    }
}

#[tokio::test]
async fn responses_and_errors_are_readable_for_allowed_origins_only() {
    let stack = Stack::shared().await;
    for path in ["/v1/site", "/v1/profile"] {
        let (_, headers, _) = send(stack, Method::GET, path, &[("origin", SHOP)], "").await;
        let expected = pairs(&[
            ("access-control-allow-origin", SHOP),
            ("access-control-expose-headers", "link, retry-after, www-authenticate"),
            ("vary", "origin"),
        ]);
        assert_eq!(headers, expected, "{path}");
        let (_, headers, _) = send(stack, Method::GET, path, &[("origin", EVIL)], "").await;
        assert_eq!(headers, pairs(&[("vary", "origin")]), "{path}");
    }
}

#[tokio::test]
async fn discovery_and_keys_are_readable_for_every_origin() {
    let stack = Stack::shared().await;
    for path in ["/.well-known/openid-configuration", "/.well-known/jwks.json"] {
        for origin in [SHOP, EVIL] {
            let (status, headers, _) = send(stack, Method::GET, path, &[("origin", origin)], "").await;
            assert_eq!((status, headers), (200, pairs(&[("access-control-allow-origin", "*")])), "{path}");
        }
    }
}

#[tokio::test]
async fn another_site_s_page_changes_nothing() {
    let stack = Stack::shared().await;
    let writes = template::routes().into_iter().filter(|route| {
        // Servers call these functions, and each of their requests authenticates itself.
        let for_servers = ["sms-status", "token", "verifications"].contains(&route.function.as_str());
        ["POST", "PUT", "PATCH", "DELETE"].contains(&route.method.as_str()) && !for_servers
    });
    let mut tried = 0;
    for route in writes {
        let path = route.path.replace("{challenge_id}", "abc").replace("{id}", "abc");
        for origin in [EVIL, "null"] {
            let headers = [("origin", origin), ("sec-fetch-site", "cross-site"), ("content-type", "application/json")];
            let method = Method::from_bytes(route.method.as_bytes()).unwrap();
            let (status, _, problem) = send(stack, method, &path, &headers, "{}").await;
            assert_eq!((status, &problem["code"]), (403, &json!("foreign_origin")), "{}", route.key());
        }
        tried += 1;
    }
    assert!(tried > 10, "only {tried} routes");
    let phone = "+14155550107";
    let headers = [("origin", SHOP), ("sec-fetch-site", "cross-site"), ("content-type", "application/json")];
    let body = json!({ "phone": phone }).to_string();
    let (status, ..) = send(stack, Method::POST, "/v1/register/phone", &headers, &body).await;
    assert_eq!(status, 202, "a page of an allowed origin");
}

/// A page can send these without a preflight ("simple requests"), so they must not order a message.
#[tokio::test]
async fn a_simple_request_orders_no_message() {
    let stack = Stack::shared().await;
    let client = stack.client();
    let phone = "+14155550108";
    let body = json!({ "phone": phone }).to_string();
    for path in ["/v1/register/phone", "/v1/login/phone"] {
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
            let headers = [("content-type", kind), ("origin", EVIL)];
            let (status, _, problem) = send(stack, Method::POST, path, &headers, &body).await;
            assert_eq!((status, &problem["code"]), (415, &json!("unsupported_media_type")), "{path} {kind:?}");
        }
        let (status, _, problem) = send(stack, Method::POST, path, &[("origin", EVIL)], &body).await;
        assert_eq!((status, &problem["code"]), (415, &json!("unsupported_media_type")), "{path} without a type");
    }
    // The message of an accepted request comes after those that the refused ones would have ordered.
    let accepted = client.start("/register/phone", "+14155550109").await;
    client.code("+14155550109").await;
    assert_eq!(accepted.status, 202);
    assert!(client.inbox(phone).await.is_empty());
}
