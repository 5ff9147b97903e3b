//! Tests the delivery of messages, with and without faults of the provider.
//!
//! The sandbox has one fault at a time, so the tests run one after the other.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use twostep_tests::{Client, Stack, fresh_phone};

pub static ONE_FAULT: Mutex<()> = Mutex::const_new(());

async fn start_with_fault(client: &Client, phone: &str, mode: &str, count: u32) -> serde_json::Value {
    client.set_fault(json!({"mode": mode, "to": phone, "count": count})).await;
    client.start("/register/phone", phone).await.expect(202)
}

#[tokio::test]
async fn delivery_is_tracked_to_the_handset() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    client.delivery_becomes(&challenge, "delivered").await;
    let message = &client.inbox(&phone).await[0];
    assert_eq!((&message["to"], &message["api"]), (&json!(phone.trim_start_matches('+')), &json!("rest")));
    assert!(message["client_message_id"].is_string());
}

#[tokio::test]
async fn a_message_that_the_provider_refuses_fails_without_a_retry() {
    let client = Stack::shared().await.client();
    let _one = ONE_FAULT.lock().await;
    for mode in ["invalid_destination", "opted_out", "no_credit", "bad_key", "unknown_error_999", "error_with_200"] {
        let phone = fresh_phone();
        let challenge = start_with_fault(&client, &phone, mode, 1).await;
        client.delivery_becomes(&challenge, "failed").await;
        assert_eq!(client.inbox(&phone).await.len(), 0, "{mode}");
    }
}

#[tokio::test]
async fn a_message_without_a_clear_response_is_unknown_and_not_sent_twice() {
    let client = Stack::shared().await.client();
    let _one = ONE_FAULT.lock().await;
    for (mode, sent) in [("connection_reset", 0), ("html_502", 0), ("drop_after_accept", 1)] {
        let phone = fresh_phone();
        let challenge = start_with_fault(&client, &phone, mode, 1).await;
        client.delivery_becomes(&challenge, "unknown").await;
        assert_eq!(client.inbox(&phone).await.len(), sent, "{mode}");
        if sent == 1 {
            client.verify(&challenge, &client.code(&phone).await).await.expect(200);
        }
    }
}

#[tokio::test]
async fn an_outage_of_the_provider_delays_messages_without_losing_them() {
    let client = Stack::shared().await.client();
    let _one = ONE_FAULT.lock().await;
    for mode in ["unavailable_503", "rate_limited"] {
        let (phone, bystander) = (fresh_phone(), fresh_phone());
        let challenge = start_with_fault(&client, &phone, mode, 3).await;
        let other = client.start("/register/phone", &bystander).await.expect(202);
        client.delivery_becomes(&other, "delivered").await;
        client.delivery_becomes(&challenge, "delivered").await;
        assert_eq!(client.inbox(&phone).await.len(), 1, "{mode}: one message after three failures");
    }
}

#[tokio::test]
async fn a_late_failure_report_counts_and_repeated_reports_change_nothing() {
    let client = Stack::shared().await.client();
    let _one = ONE_FAULT.lock().await;
    for (mode, outcome) in
        [("delivery_failed", "failed"), ("duplicate_callbacks", "delivered"), ("late_callbacks", "delivered")]
    {
        let challenge = start_with_fault(&client, &fresh_phone(), mode, 1).await;
        client.delivery_becomes(&challenge, outcome).await;
    }
}

#[tokio::test]
async fn the_inbox_s_buttons_send_delivery_reports() {
    let client = Stack::shared().await.client();
    let _one = ONE_FAULT.lock().await;
    for outcome in ["delivered", "failed"] {
        let phone = fresh_phone();
        let challenge = start_with_fault(&client, &phone, "no_callbacks", 1).await;
        client.delivery_becomes(&challenge, "sent").await;
        let id = client.inbox(&phone).await[0]["api_message_id"].as_str().unwrap().to_owned();
        let report = async |id: &str, status: &str| {
            client.sandbox(Method::POST, &format!("/inbox/{id}/status"), &json!({"status": status})).await.status
        };
        assert_eq!(report(&id, "lost").await, 400);
        assert_eq!(report("unheard-of", outcome).await, 404);
        assert_eq!(report(&id, outcome).await, 204);
        assert_eq!(client.challenge(&challenge).await.expect(200)["delivery"], outcome);
    }
}

#[tokio::test]
async fn the_inbox_s_event_stream_sends_messages_and_faults() {
    let client = Stack::shared().await.client();
    let _one = ONE_FAULT.lock().await;
    let phone = fresh_phone();
    let mut events = client.inbox_events(&phone).await;
    assert_eq!(events.next().await["messages"], json!([]));
    let fault = json!({"mode": "delivery_failed", "to": phone, "count": 1});
    client.set_fault(fault.clone()).await;
    let present = client.sandbox(Method::GET, "/faults", &Value::Null).await.expect(200);
    assert_eq!((&present["mode"], &present["to"]), (&fault["mode"], &fault["to"]));
    while events.next().await["fault"]["mode"] != "delivery_failed" {}
    client.start("/register/phone", &phone).await.expect(202);
    let last = loop {
        let view = events.next().await;
        if view["messages"][0]["status"] == "failed" {
            break view;
        }
    };
    assert_eq!(last["fault"]["mode"], "none", "the fault was for one message");
    assert_eq!(last["messages"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_delivery_report_only_moves_a_known_message_forward() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    client.delivery_becomes(&challenge, "delivered").await;
    let message = client.inbox(&phone).await[0]["api_message_id"].clone();
    let path = format!("/sms/status/{}", twostep_local::settings::CALLBACK_TOKEN);

    let failed = json!({"messageId": message, "statusCode": 7});
    client
        .post("/sms/status/guessed-token-0123456789abcdefghij", failed.clone())
        .await
        .expect_problem(401, "invalid_callback_token");
    assert_eq!(client.post(&path, failed).await.status, 204, "a late report is accepted");
    assert_eq!(client.post(&path, json!({"messageId": "0".repeat(32), "statusCode": 7})).await.status, 204, "unknown");
    assert_eq!(client.get(&format!("{path}?messageId={}&statusCode=7", message.as_str().unwrap())).await.status, 204);
    assert_eq!(client.get(&path).await.status, 204, "the portal's test request");
    for strange in [json!([]), json!({}), json!({"event": null}), json!({"event": {"messageStatusUpdate": [7, {}]}})] {
        assert_eq!(client.post(&path, strange).await.status, 204, "an error would only make Clickatell repeat it");
    }
    assert_eq!(client.challenge(&challenge).await.expect(200)["delivery"], "delivered");
    client.verify(&challenge, &client.code(&phone).await).await.expect(200);
}
