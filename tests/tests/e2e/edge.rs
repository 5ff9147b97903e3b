//! A stack behind the edge: requests need its secret, and the viewer's address is the client IP.

use reqwest::Method;
use twostep_tests::{Stack, http};

/// SHA-256 of "abc" and of "message digest" (FIPS 180-4 and NESSIE test vectors): the secrets before and after a replacement.
const HASHES: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad,\
                      f7846f55cf23e14eebeab5b4e1550cad5b509e3348fbc4efa3a1413d393cb650";

async fn send(stack: &Stack, method: Method, path: &str, headers: &[(&str, &str)]) -> (u16, serde_json::Value) {
    let mut request = http().request(method, format!("http://localhost:{}{path}", stack.api_port));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.expect("the API answers");
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn behind_an_edge_only_its_requests_are_served_and_limits_count_viewers() {
    let environment =
        [("ORIGIN_SECRET_HASHES", HASHES), ("CONCURRENCY", "1"), ("LIMITS", "deployed"), ("THROTTLES", "off")];
    let stack = Stack::start(&environment).await;
    for (method, path) in [
        (Method::GET, "/login"),
        (Method::GET, "/v1/site"),
        (Method::GET, "/.well-known/jwks.json"),
        (Method::POST, "/v1/login/phone"),
        (Method::POST, "/v1/sms/status/local-callback-token-0123456789abcdef"),
    ] {
        for headers in [&[][..], &[("x-origin-secret", "guess")], &[("x-viewer-address", "203.0.113.1")]] {
            let (status, body) = send(&stack, method.clone(), path, headers).await;
            assert_eq!((status, body["code"].as_str()), (403, Some("direct_access")), "{method} {path} {headers:?}");
        }
    }
    for secret in ["abc", "message digest"] {
        assert_eq!(send(&stack, Method::GET, "/v1/site", &[("x-origin-secret", secret)]).await.0, 200, "{secret}");
    }

    // Wrong admin keys are counted per client IP.
    let guess = async |viewer: &str| {
        let headers = [("x-origin-secret", "abc"), ("x-viewer-address", viewer), ("authorization", "Bearer wrong")];
        send(&stack, Method::GET, "/v1/settings", &headers).await.0
    };
    let mut statuses = Vec::new();
    while statuses.last() != Some(&429) && statuses.len() < 100 {
        statuses.push(guess("203.0.113.1").await);
    }
    assert_eq!((statuses[0], statuses.last()), (401, Some(&429)), "{statuses:?}");
    assert_eq!(guess("203.0.113.2").await, 401, "another viewer isn't blocked");
}
