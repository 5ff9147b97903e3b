//! The harness of the end-to-end tests: the stack of `make dev`, and a client that uses it like a website.

pub mod backend;
pub mod bench;
pub mod function_process;
pub mod laptop;
pub mod load;
pub mod paths;
pub mod performance;
pub mod post;
pub mod reliability;
pub mod relying_party;
pub mod rotation;
pub mod stack;
pub mod template;
pub mod totp;
pub mod wire;

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
pub use stack::{SHOP, Stack};

/// The timeout of asynchronous events. Generous, for busy machines.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const PASSWORD: &str = "correct horse battery staple";
pub const OTHER_PASSWORD: &str = "seven purple bicycles sing";

const POLL: Duration = Duration::from_millis(50);

/// A response of the API.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Value,
}

impl Answer {
    /// # Panics
    /// If the response is cut off.
    pub async fn read(answer: reqwest::Response) -> Self {
        let status = answer.status().as_u16();
        let headers = answer.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        let headers = headers.collect();
        let text = answer.text().await.expect("a complete response");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, headers, body }
    }

    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// # Panics
    /// If the status differs.
    #[track_caller]
    #[allow(clippy::must_use_candidate, reason = "often only the status matters")]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// Everything that an outsider can see of the response. Values that differ between responses are replaced by their length.
    #[must_use]
    pub fn visible(&self) -> Value {
        let mut body = self.body.clone();
        for part in ["challenge_id", "expires_at", "resend_at", "hint", "phone_hint", "retry_after"] {
            if let Some(value) = body.get_mut(part) {
                *value = json!(value.to_string().len());
            }
        }
        let headers =
            self.headers.iter().filter(|(name, _)| !["date", "retry-after", "apigw-requestid"].contains(&&**name));
        json!({"status": self.status, "headers": headers.collect::<Vec<_>>(), "body": body})
    }

    /// Checks that the response is a problem with this status and code, and no further fields.
    ///
    /// # Panics
    /// If it isn't.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{}", self.body);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.body["type"], "about:blank");
        assert_eq!(self.body["status"], status);
        assert!(self.body["title"].is_string() && self.body["detail"].is_string(), "{}", self.body);
        let retry_after = self.header("retry-after");
        assert_eq!(retry_after.is_some(), matches!(status, 429 | 503), "only 429 and 503 have Retry-After");
        if status == 429 {
            assert_eq!(retry_after, Some(self.body["retry_after"].to_string().as_str()));
        }
    }
}

/// A signed-in user.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub access_token: String,
    pub refresh_token: String,
    pub user: Value,
}

impl SignedIn {
    /// # Panics
    /// If `body` is not a Session.
    #[must_use]
    #[track_caller]
    pub fn from_session(body: &Value) -> Self {
        assert_eq!(body["outcome"], "signed_in", "{body}");
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(600)));
        let text = |name: &str| body[name].as_str().expect(name).to_owned();
        Self { access_token: text("access_token"), refresh_token: text("refresh_token"), user: body["user"].clone() }
    }
}

/// The claims of an access token, without verification.
///
/// # Panics
/// If it is not a JWT.
#[must_use]
pub fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64url")).expect("JSON")
}

/// A client of one stack.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    pub api: String,
    sandbox: String,
}

impl Client {
    #[must_use]
    pub fn new(api: String, sandbox: String) -> Self {
        Self { http: http(), api, sandbox }
    }

    /// # Panics
    /// If there is no response.
    pub async fn send(&self, method: Method, path: &str, token: Option<&str>, body: Option<String>) -> Answer {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers = bearer.as_deref().map(|bearer| ("authorization", bearer));
        self.send_with(method, path, headers.as_slice(), body).await
    }

    /// [`Self::send`] with additional headers.
    ///
    /// # Panics
    /// If there is no response.
    pub async fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let url = if path.starts_with("/.well-known") {
            format!("{}{path}", self.api)
        } else {
            format!("{}/v1{path}", self.api)
        };
        let mut request = self.http.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        Answer::read(request.send().await.expect("the API answers")).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, None, Some(body.to_string())).await
    }

    pub async fn start(&self, path: &str, phone: &str) -> Answer {
        self.post(path, json!({ "phone": phone })).await
    }

    pub async fn verify(&self, challenge: &Value, code: &str) -> Answer {
        self.post(&format!("/codes/{}/verify", id_of(challenge)), json!({ "code": code })).await
    }

    pub async fn resend(&self, challenge: &Value) -> Answer {
        self.send(Method::POST, &format!("/codes/{}/resend", id_of(challenge)), None, None).await
    }

    pub async fn challenge(&self, challenge: &Value) -> Answer {
        self.get(&format!("/codes/{}", id_of(challenge))).await
    }

    /// The messages to `phone`, newest first.
    pub async fn inbox(&self, phone: &str) -> Vec<Value> {
        self.messages(&format!("?to={}", phone.trim_start_matches('+'))).await
    }

    /// The emails to `address`, newest first.
    pub async fn emails(&self, address: &str) -> Vec<Value> {
        self.messages(&format!("?to={}", address.replace('+', "%2B"))).await
    }

    /// Waits for email number `count` to `address`.
    pub async fn nth_email(&self, address: &str, count: usize) -> Value {
        eventually(&format!("email {count} to {address}"), async || {
            let emails = self.emails(address).await;
            emails.len().checked_sub(count).map(|place| emails[place].clone())
        })
        .await
    }

    /// Waits for code number `count` to `address`. Notices that arrive between codes don't count.
    pub async fn nth_email_code(&self, address: &str, count: usize) -> String {
        eventually(&format!("code {count} to {address}"), async || {
            let codes: Vec<String> = self.emails(address).await.iter().filter_map(code_in_email).collect();
            codes.len().checked_sub(count).map(|place| codes[place].clone())
        })
        .await
    }

    /// Verifies the address of a new account with the code of its registration, which is the first email to it.
    pub async fn verify_email(&self, session: &Value) {
        let address = session["user"]["email"].as_str().expect("an address");
        let code = self.nth_email_code(address, 1).await;
        let verified = self.verify(&session["email_challenge"], &code).await.expect(200);
        assert_eq!(
            (&verified["outcome"], &verified["user"]["email_verified"]),
            (&json!("email_verified"), &json!(true))
        );
    }

    /// The event stream of the inbox page of `phone`.
    pub async fn inbox_events(&self, phone: &str) -> InboxEvents {
        let url = format!("{}/inbox/events?to={}", self.sandbox, phone.trim_start_matches('+'));
        let answer = self.http.get(url).send().await.expect("the sandbox answers");
        InboxEvents { answer, heard: String::new() }
    }

    /// A request to the sandbox.
    /// An address in the sandbox.
    #[must_use]
    pub fn sandbox_url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox)
    }

    /// Waits until a message was sent or failed.
    pub async fn delivery_settles(&self, challenge: &Value) {
        eventually("a sent or failed message", async || {
            let shown = self.challenge(challenge).await.expect(200);
            (shown["delivery"] != "pending").then_some(())
        })
        .await;
    }

    pub async fn sandbox(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self.http.request(method, format!("{}{path}", self.sandbox)).body(body.to_string());
        Answer::read(request.send().await.expect("the sandbox answers")).await
    }

    /// All messages by `channel`, newest first.
    pub async fn all_messages(&self, channel: &str) -> Vec<Value> {
        let mut messages = self.messages("").await;
        messages.retain(|message| message["channel"] == channel);
        messages
    }

    async fn messages(&self, query: &str) -> Vec<Value> {
        let url = format!("{}/inbox{query}", self.sandbox);
        let answer = self.http.get(url).header("accept", "application/json").send().await.expect("the sandbox answers");
        answer.json().await.expect("the inbox is a list")
    }

    /// Waits for message number `count` to `phone` and returns its code.
    pub async fn nth_code(&self, phone: &str, count: usize) -> String {
        let messages = eventually(&format!("message {count} to {phone}"), async || {
            let messages = self.inbox(phone).await;
            (messages.len() >= count).then_some(messages)
        })
        .await;
        code_in(&messages[messages.len() - count])
    }

    pub async fn code(&self, phone: &str) -> String {
        self.nth_code(phone, 1).await
    }

    pub async fn set_fault(&self, fault: Value) {
        let answer = self.http.put(format!("{}/faults", self.sandbox)).body(fault.to_string()).send().await;
        assert!(answer.expect("the sandbox answers").status().is_success(), "{fault}");
    }

    /// Waits until the delivery state of `challenge` is `state`.
    pub async fn delivery_becomes(&self, challenge: &Value, state: &str) {
        eventually(&format!("delivery {state}"), async || {
            (self.challenge(challenge).await.expect(200)["delivery"] == state).then_some(())
        })
        .await;
    }

    /// Registers `phone` and creates an account.
    pub async fn register(&self, phone: &str) -> SignedIn {
        let earlier = self.inbox(phone).await.len();
        let challenge = self.start("/register/phone", phone).await.expect(202);
        let verified = self.verify(&challenge, &self.nth_code(phone, earlier + 1).await).await.expect(200);
        let body = json!({
            "registration_token": verified["registration_token"],
            "name": "Ada Lovelace",
            "email": fresh_email(),
        });
        SignedIn::from_session(&self.post("/register/complete", body).await.expect(201))
    }

    pub async fn set_phone(&self, session: &SignedIn, phone: &str) -> Answer {
        self.send(
            Method::PUT,
            "/profile/phone",
            Some(&session.access_token),
            Some(json!({ "phone": phone }).to_string()),
        )
        .await
    }

    /// Registers with an email address and a password.
    pub async fn register_password(&self, email: &str, password: &str) -> SignedIn {
        let body = json!({ "name": "Grace Hopper", "email": email, "password": password });
        SignedIn::from_session(&self.post("/register/password", body).await.expect(201))
    }

    pub async fn log_in(&self, email: &str, password: &str) -> Answer {
        self.post("/login/password", json!({ "email": email, "password": password })).await
    }

    /// Registers with a password and verifies `phone` in the profile. Returns the email address and the recovery codes.
    pub async fn register_two_step(&self, phone: &str, password: &str) -> (String, Vec<String>) {
        let email = fresh_email();
        let session = self.register_password(&email, password).await;
        let earlier = self.inbox(phone).await.len();
        let challenge = self.set_phone(&session, phone).await.expect(202);
        let verified = self.verify(&challenge, &self.nth_code(phone, earlier + 1).await).await.expect(200);
        let codes = verified["recovery_codes"].as_array().expect("recovery codes");
        (email, codes.iter().map(|code| code.as_str().expect("a text").to_owned()).collect())
    }

    /// Signs in with both steps.
    pub async fn log_in_two_step(&self, email: &str, password: &str, phone: &str) -> SignedIn {
        let earlier = self.inbox(phone).await.len();
        let challenge = self.log_in(email, password).await.expect(202);
        let code = self.nth_code(phone, earlier + 1).await;
        SignedIn::from_session(&self.verify(&challenge, &code).await.expect(200))
    }

    pub async fn profile(&self, token: &str) -> Answer {
        self.send(Method::GET, "/profile", Some(token), None).await
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        self.post("/session/refresh", json!({ "refresh_token": token })).await
    }

    /// Invokes a function with `event` through the stack's Lambda API. Like AWS's SDKs, asks again while there is no room.
    pub async fn invoke(&self, function: &str, event: String) -> Value {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.api);
        eventually(&format!("an invocation of {function}"), async || {
            let answer = self.http.post(&url).body(event.clone()).send().await.expect("the stack answers");
            if answer.status() == 429 {
                return None;
            }
            assert!(answer.status().is_success(), "{function}: {}", answer.status());
            Some(answer.json().await.expect("a function answers with JSON"))
        })
        .await
    }

    /// [`Self::invoke`] where the function may be killed meanwhile.
    pub async fn invoke_if_possible(&self, function: &str, event: String) {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.api);
        let _ = self.http.post(url).body(event).send().await;
    }
}

/// The server-sent events of the inbox.
pub struct InboxEvents {
    answer: reqwest::Response,
    heard: String,
}

impl InboxEvents {
    /// # Panics
    /// If no event arrives.
    pub async fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.heard.find("\n\n") {
                let event: String = self.heard.drain(..end + "\n\n".len()).collect();
                if let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) {
                    return serde_json::from_str(data).expect("JSON");
                }
            } else {
                let chunk = self.answer.chunk().await.expect("the sandbox is running").expect("an open event stream");
                self.heard.push_str(&String::from_utf8_lossy(&chunk));
            }
        }
    }
}

#[must_use]
pub fn http() -> reqwest::Client {
    http_for(PATIENCE)
}

/// # Panics
/// Never: plain HTTP needs nothing of the machine.
#[expect(clippy::disallowed_methods, reason = "the tests' one client, with a time limit")]
#[must_use]
pub fn http_for(longest: Duration) -> reqwest::Client {
    reqwest::Client::builder().timeout(longest).no_proxy().build().expect("a client for plain HTTP")
}

/// A client that shows redirects instead of following them.
///
/// # Panics
/// Never: plain HTTP needs nothing of the machine.
#[expect(clippy::disallowed_methods, reason = "the tests' client, with a time limit")]
#[must_use]
pub fn http_without_redirects() -> reqwest::Client {
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().redirect(reqwest::redirect::Policy::none());
    client.build().expect("a client for plain HTTP")
}

/// Polls until `ask` returns a value, for at most [`PATIENCE`].
///
/// # Panics
/// If it times out.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("timeout: {what}"))
}

fn id_of(challenge: &Value) -> &str {
    challenge["challenge_id"].as_str().expect("a challenge ID")
}

/// # Panics
/// If the message has another form.
#[must_use]
pub fn code_in(message: &Value) -> String {
    let content = message["content"].as_str().expect("a message has a text");
    let (_, code) = content.rsplit_once('#').expect("the last line ends with the code");
    assert_eq!(content, format!("Example: your code is {code}. Do not share it.\n\n@localhost #{code}"));
    code.to_owned()
}

/// The code that the text of an email ends with.
#[must_use]
pub fn code_in_email(email: &Value) -> Option<String> {
    let text = email["content"].as_str().filter(|_| email["channel"] == "email")?;
    let (_, code) = text.rsplit_once("\n\n")?;
    (code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit())).then(|| code.to_owned())
}

/// A six-digit code other than `code`.
#[must_use]
pub fn other_than(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A mobile number that no other test of this process uses.
#[must_use]
pub fn fresh_phone() -> String {
    let number = 2_000_000 + NEXT.fetch_add(1, Ordering::Relaxed);
    format!("+1415{number}")
}

#[must_use]
pub fn fresh_email() -> String {
    format!("ada{}@example.com", NEXT.fetch_add(1, Ordering::Relaxed))
}
