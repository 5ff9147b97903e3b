//! The environment of the attacks: a full stack behind a stand-in of API Gateway that ignores forged headers, a movable
//! clock, and a record of every secret, for the search of the logs.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};
use twostep_tests::{
    Answer, Client, SignedIn, Stack,
    backend::Backend,
    code_in, eventually, fresh_email, fresh_phone,
    stack::free_ports,
    template::{Route, served_routes},
};
pub use twostep_tests::{OTHER_PASSWORD, PASSWORD};

pub struct World {
    pub stack: Stack,
    pub client: Client,
    admin_key: String,
    secrets: Mutex<BTreeSet<String>>,
    router: BTreeSet<Route>,
    pub backend: Backend,
}

/// A request as API Gateway forwards it.
pub struct Event<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// The client IP that the gateway sees.
    pub from: &'a str,
    pub headers: Vec<(&'a str, String)>,
    pub body: Option<Value>,
}

impl<'a> Event<'a> {
    pub fn new(method: &'a str, path: &'a str) -> Self {
        Self { method, path, from: "203.0.113.7", headers: Vec::new(), body: None }
    }

    pub fn from(self, from: &'a str) -> Self {
        Self { from, ..self }
    }

    pub fn header(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub fn body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }
}

impl World {
    /// Starts a stack with log level `trace`. `limits` is `lifted`, as on a laptop, or `deployed`.
    pub async fn new(limits: &str) -> Self {
        let [dynamodb] = free_ports();
        let backend = Backend::before(dynamodb).await;
        let stack = Stack::start(&[
            ("LOG_LEVEL", "trace"),
            ("LIMITS", limits),
            // What the functions limit is attacked here; the gateway's throttles would stop it before.
            ("THROTTLES", "off"),
            ("CONCURRENCY", "2"),
            ("DYNAMODB_PORT", &dynamodb.to_string()),
            ("AWS_ENDPOINT_URL_DYNAMODB", &backend.url()),
        ])
        .await;
        let admin_key = stack.admin_key().await;
        let client = stack.client();
        Self { stack, client, admin_key, secrets: Mutex::default(), router: served_routes(), backend }
    }

    #[must_use]
    pub fn admin_key(&self) -> &str {
        &self.admin_key
    }

    /// Invokes the function that the gateway would route `event` to.
    pub async fn send(&self, event: Event<'_>) -> Answer {
        let function = function_for(&self.router, event.method, event.path);
        let mut headers = serde_json::Map::from_iter([("content-type".to_owned(), json!("application/json"))]);
        for (name, value) in &event.headers {
            headers.insert((*name).to_owned(), json!(value));
        }
        let (path, query) = event.path.split_once('?').unwrap_or((event.path, ""));
        let request = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": headers,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "abcdefghij",
                "domainName": "abcdefghij.execute-api.us-east-1.amazonaws.com",
                "domainPrefix": "abcdefghij",
                "http": {
                    "method": event.method,
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": event.from,
                    "userAgent": "attacker",
                },
                "requestId": "id",
                "routeKey": "$default",
                "stage": "$default",
                "time": "24/Nov/2026:12:00:00 +0000",
                "timeEpoch": 1_795_521_600_000_i64,
            },
            "isBase64Encoded": false,
            "body": event.body.as_ref().map(Value::to_string),
        });
        let answer = self.client.invoke(function, request.to_string()).await;
        let headers = answer["headers"].as_object().into_iter().flatten();
        let mut headers: Vec<(String, String)> =
            headers.map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap_or_default().to_owned())).collect();
        headers.sort();
        let text = answer["body"].as_str().unwrap_or_default();
        let answer = Answer {
            status: u16::try_from(answer["statusCode"].as_u64().unwrap_or(0)).unwrap_or(0),
            headers,
            body: serde_json::from_str(text).unwrap_or(Value::String(text.to_owned())),
        };
        self.remember_all(&answer.body);
        if let Some(body) = &event.body {
            self.remember_all(body);
        }
        answer
    }

    /// Requests a code for `phone` at `route` from the client IP `from`.
    pub async fn start(&self, route: &str, phone: &str, from: &str) -> Answer {
        self.send(Event::new("POST", route).from(from).body(json!({ "phone": phone }))).await
    }

    pub async fn verify(&self, challenge: &Value, code: &str) -> Answer {
        let path = format!("/v1/codes/{}/verify", challenge["challenge_id"].as_str().expect("a challenge"));
        self.send(Event::new("POST", &path).body(json!({ "code": code }))).await
    }

    pub async fn put_settings(&self, change: Value) -> Answer {
        let answer = self.send(Event::new("PUT", "/v1/settings").bearer(&self.admin_key).body(change)).await;
        // Expire the caches of all functions.
        self.stack.advance(31);
        answer
    }

    pub async fn usage(&self) -> Value {
        self.send(Event::new("GET", "/v1/settings/usage").bearer(&self.admin_key)).await.expect(200)
    }

    /// Registers `phone` and returns the session.
    pub async fn register(&self, phone: &str) -> SignedIn {
        let session = self.client.register(phone).await;
        self.remember(&session.access_token);
        self.remember(&session.refresh_token);
        self.remember_all(&session.user);
        session
    }

    /// Registers with a password and verifies `phone`. Returns the email address.
    pub async fn register_two_step(&self, phone: &str) -> String {
        let (email, codes) = self.client.register_two_step(phone, PASSWORD).await;
        codes.iter().chain([&email, &PASSWORD.to_owned()]).for_each(|secret| self.remember(secret));
        email
    }

    /// The code in message number `count` to `phone`.
    pub async fn code(&self, phone: &str, count: usize) -> String {
        let code = self.client.nth_code(phone, count).await;
        self.remember(&format!("\"{code}\""));
        code
    }

    pub async fn messages_to(&self, phone: &str) -> usize {
        self.client.inbox(phone).await.len()
    }

    /// Waits until the message of `challenge` was sent or not. Returns `sent`, `unknown` or the reason of the failure.
    pub async fn outcome(&self, challenge: &Value) -> String {
        let outcome = self.way_of(challenge, &["pending"]).await;
        if outcome == "delivered" { "sent".to_owned() } else { outcome }
    }

    /// Waits for the final state of the message of `challenge`: `delivered`, `unknown` or the reason of the failure.
    pub async fn end(&self, challenge: &Value) -> String {
        self.way_of(challenge, &["pending", "sent"]).await
    }

    async fn way_of(&self, challenge: &Value, on_its_way: &[&str]) -> String {
        let path = format!("/v1/codes/{}", challenge["challenge_id"].as_str().expect("a challenge"));
        eventually("news of a message", async || {
            let seen = self.send(Event::new("GET", &path)).await.expect(200);
            let delivery = seen["delivery"].as_str().unwrap_or_default().to_owned();
            let failure = seen["failure"].as_str().map(str::to_owned);
            (!on_its_way.contains(&delivery.as_str())).then_some(failure.unwrap_or(delivery))
        })
        .await
    }

    pub fn remember(&self, secret: &str) {
        if secret.len() >= 6 {
            self.secrets.lock().unwrap_or_else(PoisonError::into_inner).insert(secret.to_owned());
        }
    }

    /// Records all secrets in a body.
    fn remember_all(&self, body: &Value) {
        const SECRET: [&str; 15] = [
            "phone",
            "code",
            "email",
            "name",
            "password",
            "new_password",
            "current_password",
            "access_token",
            "refresh_token",
            "device_token",
            "registration_token",
            "reset_token",
            "challenge_id",
            "recovery_code",
            "api_key",
        ];
        match body {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value.as_str() {
                        // Six digits occur in times and lengths too, so search for the code in quotes.
                        Some(code) if name == "code" && code.bytes().all(|byte| byte.is_ascii_digit()) => {
                            self.remember(&format!("\"{code}\""));
                        }
                        Some(phone) if name == "phone" && phone.starts_with("+1") => {
                            self.remember(phone.trim_start_matches('+'));
                        }
                        Some(text) if SECRET.contains(&name.as_str()) && !is_problem_code(name, text) => {
                            self.remember(text);
                        }
                        _ => self.remember_all(value),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.remember_all(item)),
            _ => {}
        }
    }

    /// All recorded secrets, including messages and their codes.
    pub async fn secrets(&self) -> BTreeSet<String> {
        let (messages, emails) = (self.client.all_messages("sms").await, self.client.all_messages("email").await);
        for sms in messages.into_iter().chain(emails) {
            if let Some(code) = twostep_tests::code_in_email(&sms) {
                self.remember(&format!("\"{code}\""));
            }
            if sms["content"].as_str().is_some_and(|text| text.contains("your code is")) {
                let code = code_in(&sms);
                self.remember(&format!("\"{code}\""));
                self.remember(&format!("code is {code}"));
            }
            if let Some(to) = sms["to"].as_str() {
                self.remember(to);
            }
        }
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        secrets.insert(self.admin_key.clone());
        secrets.insert(twostep_local::clickatell::API_KEY.to_owned());
        secrets.insert(twostep_local::settings::CALLBACK_TOKEN.to_owned());
        secrets.insert("PRIVATE KEY".to_owned());
        secrets
    }
}

/// Problem codes are not secret.
fn is_problem_code(name: &str, text: &str) -> bool {
    name == "code" && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The function that serves `method` and `path`.
fn function_for<'a>(router: &'a BTreeSet<Route>, method: &str, path: &str) -> &'a str {
    let path = path.split('?').next().unwrap_or_default();
    let matches = |pattern: &str| {
        let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
        pattern.len() == path.len()
            && pattern.iter().zip(&path).all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
    };
    let route = router.iter().find(|route| route.method == method && matches(&route.path));
    route.map_or_else(|| panic!("no route {method} {path}"), |route| &route.function)
}

/// A user with a phone account, and their number.
pub async fn person(world: &World) -> (SignedIn, String) {
    let phone = fresh_phone();
    (world.register(&phone).await, phone)
}

pub fn new_email(world: &World) -> String {
    let email = fresh_email();
    world.remember(&email);
    email
}
