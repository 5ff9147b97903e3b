//! The stack's gateway, Lambda and event sources in this process, with the function `probe`.

use std::sync::Arc;

use dynoxide::Database;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};
use twostep_local::{
    aws::{dynamodb, sqs},
    event_sources, gateway,
    lambda::{self, Lambda},
    settings::Settings,
    template::Template,
};

use crate::{http, paths::programs};

pub struct Laptop {
    pub url: String,
    pub sqs_url: String,
    pub lambda: Arc<Lambda>,
    pub database: Database,
    http: reqwest::Client,
    queues: Arc<sqs::Queues>,
    template: Template,
}

/// Settings for a stack whose ports don't matter.
#[must_use]
pub fn settings() -> Settings {
    Settings {
        api_port: 9000,
        sandbox_port: 0,
        ses_port: 0,
        dynamodb_port: 0,
        secrets_port: 0,
        sqs_port: 0,
        concurrency: 1,
        reload: false,
        limits_as_deployed: false,
        throttles: true,
        email_from: None,
        source_ip_header: None,
        until_stdin_closes: false,
        data: None,
    }
}

impl Laptop {
    /// Starts what `template` declares, without its event sources.
    ///
    /// # Panics
    /// If it can't be started.
    pub async fn start(template: &str, settings: &Settings) -> Self {
        let template = Template::parse(template).expect("a template");
        let listen = async || TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = |listener: &TcpListener| format!("http://{}", listener.local_addr().expect("bound"));
        let (api, runtime, sqs) = (listen().await, listen().await, listen().await);
        let (url, sqs_url) = (url(&api), url(&sqs));
        let database = dynamodb::open(None, &template).expect("an empty database");
        let queues = sqs::Queues::new(template.queues());
        tokio::spawn(sqs::serve(sqs, Arc::clone(&queues)));
        let (used, _) = mpsc::unbounded_channel();
        let lambda = Lambda::new(&template, settings, &programs(), &runtime, &used).expect("`make build` built it");
        tokio::spawn(lambda::serve(Arc::clone(&lambda), runtime));
        let router = gateway::router(template.http_api(), Arc::clone(&lambda), settings);
        tokio::spawn(gateway::serve(api, router));
        Self { url, sqs_url, lambda, database, http: http(), queues, template }
    }

    /// If an event source is declared incorrectly.
    /// When one is not declared as it should be.
    pub fn start_event_sources(&self) {
        let sources = self.template.event_sources().expect("event sources");
        event_sources::start(sources, &self.database, &self.queues, &self.lambda).expect("supported filter rules");
    }

    /// A request to `probe`, with the order as its JSON body.
    pub fn request(&self, method: Method, path: &str, order: &Value) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        request.header("content-type", "application/json").body(order.to_string())
    }

    /// # Panics
    /// If there is no response.
    pub async fn post(&self, order: &Value) -> (u16, Value) {
        let answer = self.request(Method::POST, "/probe", order).send().await.expect("the gateway answers");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a complete response");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// The batches that `probe` has received so far, as lists of record names.
    ///
    /// # Panics
    /// If the invocation fails.
    pub async fn batches(&self) -> Value {
        let answer = self.lambda.invoke("probe", json!({ "batches": true }).to_string().into()).await;
        serde_json::from_slice(&answer.expect("an answer")).expect("JSON")
    }
}
