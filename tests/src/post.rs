//! The post office of a [`Bench`]: the use case that sends messages, with a queue and a Clickatell in this process.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use twostep_domain::{
    challenge::Challenge,
    sender::SenderKind,
    target::{Reach, TargetUrl},
    time::Clock,
};
use twostep_http::bodies::delivery_reports;
use twostep_local::{
    arn,
    aws::{secrets_manager, sqs},
    clickatell,
    template::Template,
};
use twostep_runtime::{
    Deadline, Queue, clock::SystemClock, config::Environment, event_source::Record, secrets::Secrets, startup::forever,
};
use twostep_senders::clickatell::DeliveryReport;
use twostep_stores::{Tables, challenges::SavedMessage};
use twostep_usecases::messages::{
    QueueMessages, RecordDeliveryReports, SendMessages, queue::QueuedMessage, send::Received,
};

use crate::{Client, bench::Bench, paths::root};

pub struct Post {
    queuing: QueueMessages,
    sending: &'static SendMessages,
    reports: RecordDeliveryReports,
    queue: Arc<sqs::Queue>,
    queues: Arc<sqs::Queues>,
    /// The hook of another sender, in the provider's sandbox.
    pub hook: TargetUrl,
    /// Of the provider's sandbox, which sends no delivery reports.
    pub provider: Client,
}

impl Post {
    /// # Panics
    /// If a server cannot be started.
    pub async fn of(bench: &Bench, limits: &'static str) -> Self {
        let listen = async || TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = |listener: &TcpListener| format!("http://{}", listener.local_addr().expect("bound"));
        let (provider, queues_listener) = (listen().await, listen().await);
        let (provider_url, queues_url) = (url(&provider), url(&queues_listener));
        let template = Template::read(&root().join("template.yaml").to_string_lossy()).expect("the template");
        let queues = sqs::Queues::new(template.queues());
        let queue = queues.find("messages-queue").expect("the queue of the template");
        tokio::spawn(sqs::serve(queues_listener, Arc::clone(&queues)));
        let sandbox = clickatell::router(clickatell::sandbox(String::new()));
        tokio::spawn(async move { axum::serve(provider, sandbox).await.expect("the server never returns") });

        let env = Environment::of(
            [
                ("CODES_TABLE", "codes"),
                ("COUNTERS_TABLE", "counters"),
                ("SETTINGS_TABLE", "settings"),
                ("KEYS_SECRET", secrets_manager::KEYS),
                ("CLICKATELL_SECRET", secrets_manager::CLICKATELL),
                ("CALLBACK_SECRET", secrets_manager::CALLBACK),
                ("MESSAGES_QUEUE", &format!("{queues_url}/{}/messages-queue", arn::ACCOUNT)),
                ("CLICKATELL_URL", &provider_url),
                ("SITE_NAME", "Example"),
                ("SITE_HOST", "localhost"),
                ("ALLOWED_COUNTRIES", "*"),
                ("LIMITS", limits),
                ("TARGETS", "loopback"),
            ]
            .map(|(variable, value)| (variable, value.to_owned())),
        );
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
            .region(aws_sdk_sqs::config::Region::from_static(arn::REGION))
            .credentials_provider(aws_sdk_sqs::config::Credentials::for_tests())
            .endpoint_url(&queues_url);
        let client = aws_sdk_sqs::Client::from_conf(config.build());
        let queue_of =
            || Queue::with_client(client.clone(), &env, "MESSAGES_QUEUE").expect("the environment is complete");
        let tables = Tables::with_client(bench.tables.clone(), env.clone(), bench.clock.clone());
        let secrets = Secrets::with_client(bench.secrets.clone(), env.clone(), bench.clock.clone());
        let sending = SendMessages::with_queue(queue_of(), &tables, &secrets).expect("the environment is complete");
        Self {
            queuing: QueueMessages::new(queue_of(), bench.clock.clone()),
            sending: forever(sending),
            reports: RecordDeliveryReports::open(&tables, &secrets).expect("the environment is complete"),
            queue,
            queues,
            hook: TargetUrl::parse(&format!("{provider_url}/hook"), Reach::Loopback).expect("an address"),
            provider: Client::new("http://localhost:9".to_owned(), provider_url),
        }
    }

    /// Makes the provider misbehave.
    pub async fn fault(&self, fault: Value) {
        self.provider.set_fault(fault).await;
    }

    /// Puts stream records on the queue. Gives the sequence numbers of those that must come again.
    pub async fn queue(&self, records: Vec<Record<SavedMessage>>) -> Vec<Option<String>> {
        self.queuing.queue(records).await
    }

    /// Receives the entries of the queue and gives their bodies.
    ///
    /// # Panics
    /// Never: the time fits.
    #[must_use]
    pub fn entries(&self) -> Vec<String> {
        let in_a_second = u64::try_from(SystemClock.now().0 + 1).expect("after 1970") * 1_000;
        let received = self.queues.receive(&self.queue, 100, None, in_a_second);
        received.into_iter().map(|message| message.body).collect()
    }

    /// Sends the message that `challenge` has, as if its entry had been received `times` times. Tells whether the entry is done
    /// with.
    pub async fn send(&self, challenge: &Challenge, times: u32) -> bool {
        let (challenge, send_number) = (challenge.key.clone(), challenge.send_number);
        self.take(Some(QueuedMessage { challenge, send_number, void_attempt: None }), times).await
    }

    /// [`Self::send`] for any entry.
    pub async fn take(&self, message: Option<QueuedMessage>, times: u32) -> bool {
        let entry = Received { id: "entry".into(), receipt: "receipt".into(), times, message };
        self.sending.send(vec![entry], Deadline::after(Duration::from_secs(30))).await.is_empty()
    }

    /// Sends the present message of a challenge, as if its entry had just come. Gives the challenge after it.
    ///
    /// # Panics
    /// If DynamoDB does not answer.
    pub async fn send_present(&self, bench: &Bench, challenge: &Value) -> Challenge {
        let present = bench.stored(challenge).await;
        assert!(self.send(&present, 1).await, "the message waits");
        bench.stored(challenge).await
    }

    /// Whose delivery reports come with `token`.
    ///
    /// # Panics
    /// If DynamoDB or Secrets Manager does not answer.
    pub async fn reporter(&self, token: &str) -> Option<SenderKind> {
        self.reports.reporter(token).await.expect("an answer")
    }

    /// Reports as the hook does.
    ///
    /// # Panics
    /// If DynamoDB does not answer.
    pub async fn report_by_hook(&self, report: &Value) {
        let request = lambda_http::http::Request::new(lambda_http::Body::Text(report.to_string()));
        for report in delivery_reports::read(&request, SenderKind::Webhook) {
            self.reports.record(&report).await.expect("DynamoDB");
        }
    }

    /// Reports the delivery of a message, with our own reference if there is one.
    ///
    /// # Panics
    /// If DynamoDB does not answer.
    pub async fn report(&self, message_id: &str, reference: Option<&str>, status_code: u32) {
        let report = json!({"messageId": message_id, "clientMessageId": reference, "statusCode": status_code});
        for report in DeliveryReport::read(|_| None, report.to_string().as_bytes()) {
            self.reports.record(&report).await.expect("DynamoDB");
        }
    }
}
