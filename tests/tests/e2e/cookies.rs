//! The cookie transport for browsers' tokens, and that API clients aren't affected.

use reqwest::Method;
use serde_json::{Value, json};
use twostep_tests::{Answer, Client, PASSWORD, SignedIn, Stack, fresh_email, fresh_phone};

const REFRESH: &str = "twostep-refresh";
const DEVICE: &str = "twostep-device";

/// A browser's cookie store on the site's own pages.
struct Browser<'a> {
    client: &'a Client,
    jar: Vec<(String, String)>,
}

impl<'a> Browser<'a> {
    fn new(client: &'a Client) -> Self {
        Self { client, jar: Vec::new() }
    }

    async fn post(&mut self, path: &str, body: Option<Value>) -> Answer {
        let jar = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let headers = [("x-session", "cookie"), ("origin", &self.client.api), ("cookie", &jar)];
        let body = body.map(|body| body.to_string());
        let answer = self.client.send_with(Method::POST, path, &headers, body).await;
        for (name, value, attributes) in set_cookies(&answer) {
            self.jar.retain(|(kept, _)| *kept != name);
            if !attributes.contains("Max-Age=0;") {
                self.jar.push((name, value));
            }
        }
        answer
    }

    fn cookie(&self, wanted: &str) -> Option<String> {
        self.jar.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
    }

    async fn register(&mut self, email: &str) -> Value {
        let body = json!({"name": "Grace Hopper", "email": email, "password": PASSWORD});
        self.post("/register/password", Some(body)).await.expect(201)
    }
}

/// The name, value and attributes of each cookie that a response sets.
fn set_cookies(answer: &Answer) -> Vec<(String, String, String)> {
    let headers = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    let parts = headers.map(|(_, header)| {
        let (pair, attributes) = header.split_once("; ").expect("attributes");
        let (name, value) = pair.split_once('=').expect("name and value");
        (name.to_owned(), value.to_owned(), attributes.to_owned())
    });
    parts.collect()
}

/// Checks that the response is a Session without refresh and device tokens, and sets exactly `cookies`.
fn expect_session_in_cookies(answer: &Answer, cookies: &[&str]) {
    assert_eq!(answer.body["outcome"], "signed_in", "{}", answer.body);
    assert!(answer.body["access_token"].is_string());
    for token in ["refresh_token", "device_token"] {
        assert!(answer.body.get(token).is_none(), "{token} is in the body");
    }
    let set = set_cookies(answer);
    assert_eq!(set.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>(), cookies);
    for (name, value, attributes) in set {
        // A client's sign-in comes from another site and must find the session.
        let same_site = if name == REFRESH { "Lax" } else { "Strict" };
        let rest = attributes
            .strip_prefix("Path=/; Max-Age=")
            .and_then(|rest| rest.strip_suffix(&format!("; HttpOnly; SameSite={same_site}")));
        let seconds: u64 = rest.unwrap_or_else(|| panic!("{attributes}")).parse().expect("seconds");
        let month = 30 * 24 * 60 * 60;
        assert!((month - 120..=month).contains(&seconds), "{name}: {attributes}");
        assert!(!value.is_empty() && !answer.body.to_string().contains(&value));
    }
}

#[tokio::test]
async fn every_sign_in_method_sets_the_refresh_cookie_if_requested() {
    let client = Stack::shared().await.client();
    let mut browser = Browser::new(&client);
    let phone = fresh_phone();
    let challenge = browser.post("/register/phone", Some(json!({"phone": phone}))).await.expect(202);
    let verify = format!("/codes/{}/verify", challenge["challenge_id"].as_str().unwrap());
    let verified = browser.post(&verify, Some(json!({"code": client.code(&phone).await}))).await;
    assert!(set_cookies(&verified).is_empty(), "there is no session yet");
    let token = verified.expect(200)["registration_token"].clone();
    let body = json!({"registration_token": token, "name": "Ada", "email": fresh_email()});
    let answer = browser.post("/register/complete", Some(body)).await;
    expect_session_in_cookies(&answer, &[REFRESH]);
    answer.expect(201);

    let challenge = browser.post("/login/phone", Some(json!({"phone": phone}))).await.expect(202);
    let verify = format!("/codes/{}/verify", challenge["challenge_id"].as_str().unwrap());
    let answer = browser.post(&verify, Some(json!({"code": client.nth_code(&phone, 2).await}))).await;
    expect_session_in_cookies(&answer, &[REFRESH]);

    let email = fresh_email();
    let body = json!({"name": "Grace Hopper", "email": email, "password": PASSWORD});
    let answer = browser.post("/register/password", Some(body)).await;
    expect_session_in_cookies(&answer, &[REFRESH]);
    let answer = browser.post("/login/password", Some(json!({"email": email, "password": PASSWORD}))).await;
    expect_session_in_cookies(&answer, &[REFRESH]);
    let token = answer.body["access_token"].as_str().unwrap();
    assert_eq!(client.profile(token).await.expect(200)["email"], email);
}

#[tokio::test]
async fn a_refresh_rotates_the_cookie_and_an_old_one_ends_the_session() {
    let client = Stack::shared().await.client();
    let mut browser = Browser::new(&client);
    browser.register(&fresh_email()).await;
    let first = browser.cookie(REFRESH).unwrap();
    for _ in 0..2 {
        let answer = browser.post("/session/refresh", None).await;
        expect_session_in_cookies(&answer, &[REFRESH]);
    }
    let third = browser.cookie(REFRESH).unwrap();
    assert_ne!(first, third);

    let mut thief = Browser { client: &client, jar: vec![(REFRESH.to_owned(), first)] };
    let refused = thief.post("/session/refresh", None).await;
    refused.expect_problem(401, "invalid_refresh_token");
    assert_eq!(set_cookies(&refused).len(), 1, "an invalid cookie is deleted");
    assert_eq!(thief.cookie(REFRESH), None);
    browser.post("/session/refresh", None).await.expect_problem(401, "invalid_refresh_token");
    assert_eq!(browser.cookie(REFRESH), None);
    browser.post("/session/refresh", None).await.expect_problem(401, "invalid_refresh_token");
}

#[tokio::test]
async fn cookies_are_neither_read_nor_set_for_other_origins() {
    let client = Stack::shared().await.client();
    let mut browser = Browser::new(&client);
    let email = fresh_email();
    browser.register(&email).await;
    let jar = format!("{REFRESH}={}", browser.cookie(REFRESH).unwrap());
    let login = json!({"email": email, "password": PASSWORD}).to_string();
    let unheard_of = fresh_email();
    let registration = json!({"name": "Eve", "email": unheard_of, "password": PASSWORD}).to_string();
    let completion = json!({"registration_token": "x", "name": "Eve", "email": unheard_of}).to_string();
    let guess = json!({"code": "123456"}).to_string();
    let routes = [
        ("/session/refresh", None),
        ("/session/logout", None),
        ("/login/password", Some(&login)),
        ("/register/password", Some(&registration)),
        ("/register/complete", Some(&completion)),
        ("/codes/AAAA/verify", Some(&guess)),
    ];
    for (path, body) in routes {
        for origin in
            [None, Some("https://evil.example"), Some("null"), Some("http://localhost"), Some("http://localhost:1")]
        {
            let mut headers = vec![("x-session", "cookie"), ("cookie", &jar)];
            headers.extend(origin.map(|origin| ("origin", origin)));
            let answer = client.send_with(Method::POST, path, &headers, body.cloned()).await;
            answer.expect_problem(403, "foreign_origin");
            assert!(set_cookies(&answer).is_empty());
        }
        let headers = [("x-session", "yes"), ("cookie", jar.as_str()), ("origin", client.api.as_str())];
        client.send_with(Method::POST, path, &headers, body.cloned()).await.expect_problem(400, "invalid_request");
    }
    expect_session_in_cookies(&browser.post("/session/refresh", None).await, &[REFRESH]);
    client.log_in(&unheard_of, PASSWORD).await.expect_problem(401, "invalid_credentials");
}

#[tokio::test]
async fn api_clients_get_tokens_in_json_and_their_cookies_are_ignored() {
    let client = Stack::shared().await.client();
    let mut browser = Browser::new(&client);
    let email = fresh_email();
    browser.register(&email).await;
    let jar = format!("{REFRESH}={}", browser.cookie(REFRESH).unwrap());
    let foreign = [("cookie", jar.as_str()), ("origin", "https://app.example")];
    let body = json!({"email": email, "password": PASSWORD}).to_string();
    let answer = client.send_with(Method::POST, "/login/password", &foreign, Some(body)).await;
    assert!(set_cookies(&answer).is_empty());
    let session = SignedIn::from_session(&answer.expect(200));
    for path in ["/session/refresh", "/session/logout"] {
        for body in [None, Some("{}".to_owned())] {
            client.send_with(Method::POST, path, &foreign, body).await.expect_problem(400, "invalid_request");
        }
    }
    let body = json!({"refresh_token": session.refresh_token}).to_string();
    let refreshed = client.send_with(Method::POST, "/session/refresh", &foreign, Some(body)).await.expect(200);
    let _ = SignedIn::from_session(&refreshed);
    let token = json!({"refresh_token": refreshed["refresh_token"]});
    browser.post("/session/refresh", Some(token)).await.expect_problem(400, "invalid_request");
    browser.post("/session/refresh", Some(json!({}))).await.expect(200);
}

#[tokio::test]
async fn a_device_cookie_skips_the_second_step() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let (email, _) = client.register_two_step(&phone, PASSWORD).await;
    let before = client.inbox(&phone).await.len();
    let mut browser = Browser::new(&client);
    let login = json!({"email": email, "password": PASSWORD});
    let challenge = browser.post("/login/password", Some(login.clone())).await.expect(202);
    let verify = format!("/codes/{}/verify", challenge["challenge_id"].as_str().unwrap());
    let code = client.nth_code(&phone, before + 1).await;
    let answer = browser.post(&verify, Some(json!({"code": code, "remember_device": true}))).await;
    expect_session_in_cookies(&answer, &[REFRESH, DEVICE]);

    expect_session_in_cookies(&browser.post("/login/password", Some(login.clone())).await, &[REFRESH]);
    browser.post("/session/logout", None).await.expect(204);
    expect_session_in_cookies(&browser.post("/login/password", Some(login)).await, &[REFRESH]);
    assert_eq!(client.inbox(&phone).await.len(), before + 1, "no further message");

    let device = browser.cookie(DEVICE).unwrap();
    let body = json!({"email": email, "password": PASSWORD, "device_token": device});
    browser.post("/login/password", Some(body.clone())).await.expect_problem(400, "invalid_request");
    client.post("/login/password", body).await.expect(200);
    let headers = [("cookie", format!("{DEVICE}={device}"))];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let body = json!({"email": email, "password": PASSWORD}).to_string();
    client.send_with(Method::POST, "/login/password", &headers, Some(body)).await.expect(202);
}

#[tokio::test]
async fn signing_out_deletes_the_cookie_and_always_succeeds() {
    let client = Stack::shared().await.client();
    let mut browser = Browser::new(&client);
    browser.register(&fresh_email()).await;
    let token = browser.cookie(REFRESH).unwrap();
    for _ in 0..2 {
        let answer = browser.post("/session/logout", None).await;
        let [(name, value, attributes)] = &set_cookies(&answer)[..] else { panic!("{:?}", answer.headers) };
        assert_eq!((name.as_str(), value.as_str()), (REFRESH, ""));
        assert_eq!(attributes, "Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
        answer.expect(204);
        assert_eq!(browser.cookie(REFRESH), None);
    }
    client.refresh(&token).await.expect_problem(401, "invalid_refresh_token");
}

/// API Gateway (payload 2.0) passes cookies apart from the headers, in both directions.
#[tokio::test]
async fn cookies_use_the_gateway_s_cookie_fields() {
    let client = Stack::shared().await.client();
    let mut browser = Browser::new(&client);
    browser.register(&fresh_email()).await;
    let sample = std::fs::read_to_string(twostep_tests::paths::root().join("events/session.json")).unwrap();
    let mut event: Value = serde_json::from_str(&sample).unwrap();
    event["body"] = Value::Null;
    event["headers"] = json!({"x-session": "cookie", "origin": client.api});
    event["cookies"] = json!(["theme=dark", format!("{REFRESH}={}", browser.cookie(REFRESH).unwrap())]);
    let answer = client.invoke("session", event.to_string()).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert!(answer["headers"].get("set-cookie").is_none(), "the gateway would keep only one");
    let [cookie] = answer["cookies"].as_array().unwrap().as_slice() else { panic!("{answer}") };
    assert!(cookie.as_str().unwrap().starts_with(&format!("{REFRESH}=")), "{cookie}");
}
