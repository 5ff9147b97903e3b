//! Webhooks over HTTP: what operators add, see and remove.

use axum::{Router, http::StatusCode, routing::post};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use twostep_tests::{Answer, Client, PASSWORD, Stack, eventually, fresh_email};

struct Operator {
    client: Client,
    key: String,
    _stack: Stack,
}

impl Operator {
    /// With a stack of its own: there can be ten webhooks.
    async fn start() -> Self {
        let stack = Stack::start(&[("CONCURRENCY", "2")]).await;
        Self { client: stack.client(), key: stack.admin_key().await, _stack: stack }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let path = format!("/admin/webhooks{path}");
        self.client.send(method, &path, Some(&self.key), body.map(|body| body.to_string())).await
    }
}

/// A receiver that answers with `status`.
async fn receiver(status: StatusCode) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}/hook", listener.local_addr().unwrap().port());
    let router = Router::new().route("/hook", post(move || async move { status }));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test]
async fn a_webhook_is_added_tried_and_removed_and_its_deliveries_can_be_repeated() {
    let operator = Operator::start().await;
    let url = receiver(StatusCode::OK).await;
    let added =
        operator.call(Method::POST, "", Some(json!({ "url": url, "events": ["user.created"] }))).await.expect(201);
    assert!(added["secret"].as_str().unwrap().starts_with("whsec_"));
    let mut shown = added.clone();
    shown.as_object_mut().unwrap().remove("secret");
    assert_eq!(
        operator.call(Method::GET, "", None).await.expect(200),
        json!({ "items": [shown] }),
        "the secret is shown once"
    );
    let id = added["id"].as_str().unwrap();
    let tried = operator.call(Method::POST, &format!("/{id}/test"), None).await.expect(200);
    assert_eq!(tried, json!({ "delivered": true, "response_status": 200 }));

    let nobody = operator.call(Method::POST, "", Some(json!({ "url": "http://localhost:1/x" }))).await.expect(201);
    let tried =
        operator.call(Method::POST, &format!("/{}/test", nobody["id"].as_str().unwrap()), None).await.expect(200);
    assert_eq!(tried, json!({ "delivered": false, "reason": "not_reached" }));

    let delivery = eventually("a delivery", async || {
        operator.client.register_password(&fresh_email(), PASSWORD).await;
        let page = operator.call(Method::GET, &format!("/{id}/deliveries"), None).await.expect(200);
        page["items"].as_array().unwrap().iter().find(|delivery| delivery["state"] == "delivered").cloned()
    })
    .await;
    assert_eq!((&delivery["type"], &delivery["attempts"]), (&json!("user.created"), &json!(1)));
    assert_eq!(delivery["response_status"], 200);
    let path = format!("/{id}/deliveries/{}/repeat", delivery["id"].as_str().unwrap());
    operator.call(Method::POST, &path, None).await.expect(202);
    operator
        .call(Method::POST, &format!("/{id}/deliveries/none/repeat"), None)
        .await
        .expect_problem(404, "unknown_webhook");

    operator.call(Method::DELETE, &format!("/{id}"), None).await.expect(204);
    for (method, path) in [(Method::DELETE, ""), (Method::POST, "/test"), (Method::GET, "/deliveries")] {
        operator.call(method, &format!("/{id}{path}"), None).await.expect_problem(404, "unknown_webhook");
    }
}

#[tokio::test]
async fn only_public_addresses_and_known_types_are_accepted() {
    let operator = Operator::start().await;
    for (body, field) in [
        (json!({ "url": "http://shop.example/hook" }), "url"),
        (json!({ "url": "https://10.0.0.1/hook" }), "url"),
        (json!({ "url": "https://169.254.169.254/latest/meta-data/" }), "url"),
        (json!({ "url": "https://[fd00::1]/" }), "url"),
        (json!({ "url": "https://user:pass@shop.example/" }), "url"),
        (json!({ "url": "https://shop.example/#x" }), "url"),
        (json!({ "url": "https://2130706433/" }), "url"),
        (json!({ "url": "" }), "url"),
        (json!({ "url": "https://shop.example/", "events": [] }), "events"),
        (json!({ "url": "https://shop.example/", "events": ["user.*"] }), "events"),
        (json!({ "url": "https://shop.example/", "events": ["webhook.test"] }), "events"),
    ] {
        let answer = operator.call(Method::POST, "", Some(body)).await;
        assert_eq!(answer.body["field"], field, "{}", answer.body);
        answer.expect_problem(400, "invalid_setting");
    }
    operator
        .call(Method::POST, "", Some(json!({ "url": "https://shop.example/", "secret": "x" })))
        .await
        .expect_problem(400, "invalid_request");
    for _ in 0..10 {
        operator.call(Method::POST, "", Some(json!({ "url": "https://shop.example/hook" }))).await.expect(201);
    }
    operator
        .call(Method::POST, "", Some(json!({ "url": "https://shop.example/hook" })))
        .await
        .expect_problem(409, "too_many_webhooks");
}
