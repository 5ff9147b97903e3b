//! One number's trouble is its own: messages to other numbers don't wait for it.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use twostep_tests::{
    Client, Stack,
    backend::{Backend, Fault, Mode},
    eventually, fresh_phone,
    stack::free_ports,
    wire::Wire,
};

/// How long a message may take on a busy test machine. What delays it for a number's fault takes at least twice as long.
const LATE: Duration = Duration::from_secs(4);

/// Starts registrations one after the other and gives the longest time that a message took.
async fn slowest_of(client: &Client, count: usize) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..count {
        let (phone, began) = (fresh_phone(), Instant::now());
        client.start("/register/phone", &phone).await.expect(202);
        client.code(&phone).await;
        slowest = slowest.max(began.elapsed());
    }
    slowest
}

/// A stack with one process per function, whose calls of DynamoDB can be recorded and broken.
async fn behind_a_proxy() -> (Stack, Backend) {
    let [dynamodb] = free_ports();
    let backend = Backend::before(dynamodb).await;
    let environment = [
        ("CONCURRENCY", "1"),
        ("DYNAMODB_PORT", &*dynamodb.to_string()),
        ("AWS_ENDPOINT_URL_DYNAMODB", &backend.url()),
    ];
    (Stack::start(&environment).await, backend)
}

#[tokio::test]
async fn a_number_that_is_slow_or_put_off_or_broken_delays_no_other() {
    let stack = Stack::start(&[("CONCURRENCY", "4"), ("LOG_LEVEL", "warn")]).await;
    let client = stack.client();
    // Every function is warm.
    client.register(&fresh_phone()).await;
    for mode in ["hang", "unavailable_503"] {
        let sick = fresh_phone();
        client.set_fault(json!({"mode": mode, "to": sick})).await;
        let challenge = client.start("/register/phone", &sick).await.expect(202);
        // Among so many numbers, several share a lane of the stream with the sick one.
        let slowest = slowest_of(&client, 40).await;
        assert!(slowest < LATE, "{mode}: {slowest:?}");
        client.set_fault(json!({"mode": "none"})).await;
        let outcome = if mode == "hang" { "unknown" } else { "delivered" };
        client.delivery_becomes(&challenge, outcome).await;
    }
}

#[tokio::test]
async fn a_message_that_was_put_off_is_sent_once_although_the_table_was_not_told() {
    let (stack, backend) = behind_a_proxy().await;
    let client = stack.client();
    client.register(&fresh_phone()).await;
    let phone = fresh_phone();
    client.set_fault(json!({"mode": "unavailable_503", "to": phone, "count": 1})).await;
    // The message is handed over; that it was put off is not saved, at none of the SDK's three attempts.
    let fault = |skip| Fault { function: "send-sms", call: "PutItem codes", mode: Mode::Fail, skip, count: 3 };
    backend.inject(fault(1));
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    client.delivery_becomes(&challenge, "delivered").await;
    assert_eq!(client.inbox(&phone).await.len(), 1);
    backend.heal();

    // The handover is saved, and all responses to it are lost.
    let phone = fresh_phone();
    backend.inject(Fault { mode: Mode::LoseAnswer, ..fault(0) });
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    client.delivery_becomes(&challenge, "delivered").await;
    assert_eq!(client.inbox(&phone).await.len(), 1);
}

#[tokio::test]
async fn while_the_queue_is_away_messages_wait_in_the_stream() {
    let [sqs] = free_ports();
    let wire = Wire::to(sqs).await;
    let environment = [("SQS_PORT", &*sqs.to_string()), ("AWS_ENDPOINT_URL_SQS", &wire.url()), ("CONCURRENCY", "1")];
    let stack = Stack::start(&environment).await;
    let client = stack.client();
    wire.cut().await;
    let phone = fresh_phone();
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(client.inbox(&phone).await.is_empty());
    assert_eq!(client.challenge(&challenge).await.expect(200)["delivery"], "pending");
    wire.mend();
    client.delivery_becomes(&challenge, "delivered").await;
    assert_eq!(client.inbox(&phone).await.len(), 1);
}

#[tokio::test]
async fn while_secrets_manager_hangs_messages_are_sent_with_the_keys_in_memory() {
    let [secrets] = free_ports();
    let wire = Wire::to(secrets).await;
    let environment = [
        ("SECRETS_PORT", &*secrets.to_string()),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &wire.url()),
        ("CONCURRENCY", "1"),
    ];
    let stack = Stack::start(&environment).await;
    let client = stack.client();
    eventually("the keys", async || (client.get("/.well-known/jwks.json").await.status == 200).then_some(())).await;
    client.register(&fresh_phone()).await;
    wire.hang();
    // Longer than secrets are kept without being read again.
    stack.advance(6 * 60);
    let began = Instant::now();
    let mut sent = Vec::new();
    for _ in 0..10 {
        let phone = fresh_phone();
        client.start("/register/phone", &phone).await.expect(202);
        sent.push(phone);
    }
    for phone in &sent {
        client.code(phone).await;
    }
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    for phone in &sent {
        assert_eq!(client.inbox(phone).await.len(), 1);
    }
}

#[tokio::test]
async fn a_message_takes_few_round_trips() {
    let (stack, backend) = behind_a_proxy().await;
    let client = stack.client();
    client.register(&fresh_phone()).await;
    let phone = fresh_phone();
    let _ = backend.rounds_of("send-sms");
    // A delay makes parallel calls overlap.
    let delay = Duration::from_millis(100);
    backend.inject(Fault { function: "send-sms", call: "", mode: Mode::Delay(delay), skip: 0, count: 100 });
    backend.calls_of("send-sms");
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    client.delivery_becomes(&challenge, "delivered").await;
    let (rounds, calls) = (backend.rounds_of("send-sms"), backend.calls_of("send-sms"));
    let of_codes: Vec<&String> = calls.iter().filter(|call| call.ends_with(" codes")).collect();
    assert_eq!(of_codes, ["GetItem codes", "PutItem codes", "PutItem codes", "UpdateItem codes"], "{calls:?}");
    assert!(rounds <= 5, "{rounds}: {calls:?}");
}
