//! Events, in-process: what follows from which change, the order of a user's events, and webhooks that hang, refuse, redirect
//! or lie, on a moved clock.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, http::HeaderMap, http::StatusCode, response::IntoResponse, routing::post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use twostep_domain::{
    account::Activity,
    target::{Reach, TargetUrl},
    time::Clock,
    webhook::{DeliveryState, EventType, Webhook},
};
use twostep_http::bodies::user::describe;
use twostep_local::{
    arn,
    aws::{secrets_manager, sqs},
    template::Template,
};
use twostep_runtime::{
    Deadline, Queue, clock::SystemClock, config::Environment, entropy, event_source::Record, secrets::Secrets,
    startup::forever,
};
use twostep_stores::{AuditStore, Tables};
use twostep_tests::{PASSWORD, bench::Bench, fresh_email, fresh_phone, paths::root};
use twostep_usecases::events::{DeliverEvents, PublishEvents, deliver::Received, publish::QueuedLane};

/// How a receiver behaves.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Content,
    Status(u16),
    Hanging,
}

struct Receiver {
    url: TargetUrl,
    events: Arc<Mutex<Vec<(String, Value)>>>,
    mood: Arc<Mutex<Mood>>,
}

type Shared = (Arc<Mutex<Vec<(String, Value)>>>, Arc<Mutex<Mood>>);

async fn receive(State((events, mood)): State<Shared>, headers: HeaderMap, body: String) -> impl IntoResponse {
    let mood = *mood.lock().unwrap();
    match mood {
        Mood::Hanging => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            StatusCode::OK
        }
        Mood::Status(status) => StatusCode::from_u16(status).unwrap(),
        Mood::Content => {
            let id = headers["webhook-id"].to_str().unwrap().to_owned();
            events.lock().unwrap().push((id, serde_json::from_str(&body).unwrap()));
            StatusCode::NO_CONTENT
        }
    }
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}/events", listener.local_addr().unwrap().port());
        let (events, mood) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Mood::Content)));
        let shared: Shared = (Arc::clone(&events), Arc::clone(&mood));
        let router = Router::new().route("/events", post(receive)).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url: TargetUrl::parse(&url, Reach::Loopback).unwrap(), events, mood }
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn types(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        events.iter().map(|(_, event)| event["type"].as_str().unwrap().to_owned()).collect()
    }
}

/// The path of events, of a bench's audit trail.
struct Courier {
    bench: Bench,
    tables: Tables,
    publishing: PublishEvents,
    delivering: &'static DeliverEvents,
    queue: Arc<sqs::Queue>,
    queues: Arc<sqs::Queues>,
    audit: AuditStore,
}

impl Courier {
    async fn start() -> Self {
        let bench = Bench::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let template = Template::read(&root().join("template.yaml").to_string_lossy()).unwrap();
        let queues = sqs::Queues::new(template.queues());
        let queue = queues.find("events-queue").unwrap();
        tokio::spawn(sqs::serve(listener, Arc::clone(&queues)));
        let env = Environment::of(
            [
                ("KEYS_SECRET", secrets_manager::KEYS),
                ("USERS_TABLE", "users"),
                ("SETTINGS_TABLE", "settings"),
                ("DELIVERIES_TABLE", "deliveries"),
                ("EVENTS_QUEUE", &format!("{url}/{}/events-queue", arn::ACCOUNT)),
                ("TARGETS", "loopback"),
            ]
            .map(|(variable, value)| (variable, value.to_owned())),
        );
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
            .region(aws_sdk_sqs::config::Region::from_static(arn::REGION))
            .credentials_provider(aws_sdk_sqs::config::Credentials::for_tests())
            .endpoint_url(&url);
        let client = aws_sdk_sqs::Client::from_conf(config.build());
        let queue_of = || Queue::with_client(client.clone(), &env, "EVENTS_QUEUE").unwrap();
        let tables = Tables::with_client(bench.tables.clone(), env.clone(), bench.clock.clone());
        let secrets = Secrets::with_client(bench.secrets.clone(), env.clone(), bench.clock.clone());
        let publishing = PublishEvents::with_queue(queue_of(), &tables).unwrap();
        let delivering = forever(DeliverEvents::with_queue(queue_of(), &tables, &secrets, describe).unwrap());
        let audit = AuditStore::new(bench.tables.clone(), "audit".to_owned());
        Self { bench, tables, publishing, delivering, queue, queues, audit }
    }

    /// Adds a webhook, and moves the clock until all functions know it.
    async fn webhook(&self, receiver: &Receiver, events: Option<Vec<EventType>>) -> Webhook {
        let webhook = Webhook::new(receiver.url.clone(), events, self.bench.clock.now(), &mut entropy::system());
        let store = self.tables.webhooks().unwrap();
        let added = store.change(|registry| {
            registry.webhooks.push(webhook.clone());
            Ok::<_, twostep_stores::TableError>(())
        });
        added.await.unwrap();
        self.bench.clock.advance(31);
        webhook
    }

    /// Publishes what the audit trail says of a user, from the oldest on.
    async fn publish(&self, session: &Value) {
        let user = twostep_domain::ids::UserId::from_stored(session["user"]["id"].as_str().unwrap());
        let mut entries: Vec<Activity> = self.audit.page(&user, None, 100).await.unwrap();
        entries.reverse();
        let record = |entry| Record { sequence_number: Some("1".into()), entry: Some(entry) };
        assert!(self.publishing.publish(entries.into_iter().map(record).collect()).await.is_empty());
    }

    /// Receives what is on the queue, once. Gives how many entries stay there.
    async fn deliver(&self) -> usize {
        let in_a_second = u64::try_from(SystemClock.now().0 + 1).unwrap() * 1_000;
        let received = self.queues.receive(&self.queue, 100, None, in_a_second);
        let batch = received.into_iter().enumerate().map(|(index, message)| Received {
            id: index.to_string(),
            receipt: index.to_string(),
            lane: QueuedLane::read(&message.body),
        });
        self.delivering.deliver(batch.collect(), Deadline::after(Duration::from_secs(25))).await.len()
    }

    /// Delivers in a lane, as if its entry came again.
    async fn come_again(&self, webhook: &Webhook, session: &Value) -> bool {
        let user = session["user"]["id"].as_str().unwrap();
        let lane = QueuedLane::read(&json!({ "lane": format!("{}|{user}", webhook.id) }).to_string());
        let entry = Received { id: "entry".into(), receipt: "receipt".into(), lane };
        self.delivering.deliver(vec![entry], Deadline::after(Duration::from_secs(25))).await.is_empty()
    }

    async fn states(&self, webhook: &Webhook) -> Vec<(DeliveryState, u32)> {
        let store = self.tables.event_deliveries().unwrap();
        let mut deliveries = store.of_webhook(&webhook.id, None, 100).await.unwrap();
        deliveries.reverse();
        deliveries.into_iter().map(|delivery| (delivery.state, delivery.attempts)).collect()
    }
}

#[tokio::test]
async fn events_come_in_the_order_of_what_happened_and_once() {
    let courier = Courier::start().await;
    let receiver = Receiver::start().await;
    courier.webhook(&receiver, None).await;
    let (email, phone) = (fresh_email(), fresh_phone());
    let (session, _) = courier.bench.register_two_step(&email, PASSWORD, &phone).await;
    courier.publish(&session).await;
    assert_eq!(courier.deliver().await, 0);
    // The stream can bring the records again.
    courier.publish(&session).await;
    assert_eq!(courier.deliver().await, 0);
    assert_eq!(receiver.types(), ["user.created", "phone.verified", "two_step.enabled"]);
    let events = receiver.events.lock().unwrap().clone();
    let mut ids: Vec<_> = events.iter().map(|(id, _)| id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    let data = &events[0].1["data"];
    assert_eq!((&data["user_id"], &data["user"]["email"]), (&session["user"]["id"], &json!(email)));
    assert_eq!(data["user"]["phone"], phone, "the user as it is now");
    assert!(events[0].1["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn a_webhook_gets_the_types_that_it_asks_for() {
    let courier = Courier::start().await;
    let receiver = Receiver::start().await;
    courier.webhook(&receiver, Some(vec![EventType::TwoStepEnabled])).await;
    let (session, _) = courier.bench.register_two_step(&fresh_email(), PASSWORD, &fresh_phone()).await;
    courier.publish(&session).await;
    courier.deliver().await;
    assert_eq!(receiver.types(), ["two_step.enabled"]);
}

#[tokio::test]
async fn a_receiver_that_refuses_for_an_hour_gets_everything_in_order_afterwards() {
    for status in [500, 301, 404] {
        let courier = Courier::start().await;
        let receiver = Receiver::start().await;
        let webhook = courier.webhook(&receiver, None).await;
        receiver.is(Mood::Status(status));
        let (session, _) = courier.bench.register_two_step(&fresh_email(), PASSWORD, &fresh_phone()).await;
        courier.publish(&session).await;
        courier.deliver().await;
        for _ in 0..12 {
            courier.bench.clock.advance(300);
            assert!(!courier.come_again(&webhook, &session).await, "it stays on the queue");
        }
        let states = courier.states(&webhook).await;
        assert_eq!(states[1..], [(DeliveryState::Pending, 0); 2], "what follows waits");
        assert!((5..=7).contains(&states[0].1), "after growing pauses: {states:?}");
        receiver.is(Mood::Content);
        courier.bench.clock.advance(3600);
        assert!(courier.come_again(&webhook, &session).await);
        assert_eq!(receiver.types(), ["user.created", "phone.verified", "two_step.enabled"], "{status}");
    }
}

#[tokio::test]
async fn after_a_day_an_event_fails_and_the_next_has_its_turn_and_an_operator_can_repeat_it() {
    let courier = Courier::start().await;
    let receiver = Receiver::start().await;
    let webhook = courier.webhook(&receiver, None).await;
    let session = courier.bench.register_password(&fresh_email(), PASSWORD).await.unwrap();
    courier.publish(&session).await;
    receiver.is(Mood::Status(500));
    courier.deliver().await;
    courier.bench.clock.advance(24 * 3600);
    assert!(courier.come_again(&webhook, &session).await, "it is done with");
    assert_eq!(courier.states(&webhook).await, [(DeliveryState::Failed, 2)]);

    let store = courier.tables.event_deliveries().unwrap();
    let failed = store.of_webhook(&webhook.id, None, 1).await.unwrap().remove(0);
    assert_eq!(failed.response_status, Some(500));
    store.save(&failed.again(courier.bench.clock.now())).await.unwrap();
    receiver.is(Mood::Content);
    assert!(courier.come_again(&webhook, &session).await);
    assert_eq!(receiver.types(), ["user.created"]);
}

#[tokio::test]
async fn a_receiver_that_hangs_is_left_alone_and_delays_no_other() {
    let courier = Courier::start().await;
    let (dead, alive) = (Receiver::start().await, Receiver::start().await);
    let (hanging, _) = (courier.webhook(&dead, None).await, courier.webhook(&alive, None).await);
    dead.is(Mood::Hanging);
    let session = courier.bench.register_password(&fresh_email(), PASSWORD).await.unwrap();
    courier.publish(&session).await;
    assert_eq!(courier.deliver().await, 1);
    assert_eq!(alive.types(), ["user.created"]);
    // Events of other users aren't tried at it meanwhile.
    let other = courier.bench.register_password(&fresh_email(), PASSWORD).await.unwrap();
    courier.publish(&other).await;
    assert_eq!(courier.deliver().await, 1);
    assert_eq!(alive.types().len(), 2);
    assert_eq!(courier.states(&hanging).await, [(DeliveryState::Pending, 1), (DeliveryState::Pending, 0)]);
    courier.bench.clock.advance(120);
    dead.is(Mood::Content);
    assert!(courier.come_again(&hanging, &session).await && courier.come_again(&hanging, &other).await);
    assert_eq!(dead.types().len(), 2);
}

#[tokio::test]
async fn a_deleted_user_is_named_and_not_described() {
    let courier = Courier::start().await;
    let receiver = Receiver::start().await;
    courier.webhook(&receiver, None).await;
    let session = courier.bench.register_password(&fresh_email(), PASSWORD).await.unwrap();
    let claims = courier.bench.authenticate(&session).await.unwrap();
    let caller = twostep_tests::bench::caller_from("203.0.113.9");
    courier.bench.access().delete_account(&caller, &claims).await.unwrap();
    courier.publish(&session).await;
    courier.deliver().await;
    assert_eq!(receiver.types(), ["user.created", "user.deleted"]);
    for (_, event) in receiver.events.lock().unwrap().iter() {
        assert_eq!((&event["data"]["user_id"], event["data"].get("user")), (&session["user"]["id"], None));
    }
}

#[tokio::test]
async fn two_entries_of_one_lane_at_once_deliver_each_event_once() {
    let courier = Courier::start().await;
    let receiver = Receiver::start().await;
    let webhook = courier.webhook(&receiver, None).await;
    let (session, _) = courier.bench.register_two_step(&fresh_email(), PASSWORD, &fresh_phone()).await;
    courier.publish(&session).await;
    let (one, other) = tokio::join!(courier.come_again(&webhook, &session), courier.come_again(&webhook, &session));
    assert!(one || other);
    assert_eq!(receiver.types(), ["user.created", "phone.verified", "two_step.enabled"]);
}
