//! The account page's API: authenticator app, sessions, activity, export and deletion; and requests whose answer was lost.

use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use twostep_tests::{
    Answer, Client, OTHER_PASSWORD, PASSWORD, SignedIn, Stack, claims, fresh_email, fresh_phone, other_than,
    paths::root, totp,
};

const KEY: &str = "idempotency-key";

/// A key that no other request uses.
fn fresh_key() -> String {
    format!("key-of-{}", fresh_email())
}

async fn call(client: &Client, method: Method, path: &str, session: &SignedIn) -> Answer {
    client.send(method, path, Some(&session.access_token), None).await
}

async fn post_as(client: &Client, path: &str, session: &SignedIn, body: &Value) -> Answer {
    client.send(Method::POST, path, Some(&session.access_token), Some(body.to_string())).await
}

async fn enter(client: &Client, challenge: &Value, body: Value) -> Answer {
    client.post(&format!("/codes/{}/verify", challenge["challenge_id"].as_str().unwrap()), body).await
}

/// The code that pyotp computes.
fn pyotp(secret: &str, at: i64) -> String {
    let program = "import pyotp, sys; print(pyotp.TOTP(sys.argv[1]).at(int(sys.argv[2])))";
    let python = Command::new(root().join(".venv/bin/python")).args(["-c", program, secret, &at.to_string()]).output();
    let output = python.expect(".venv: run `make test-setup`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What pyotp reads in the URI of a QR code: secret, issuer and account.
fn parsed(uri: &str) -> Value {
    let program = "import json, pyotp, sys; t = pyotp.parse_uri(sys.argv[1]); \
                   print(json.dumps([t.secret, t.issuer, t.name, t.digits, t.interval]))";
    let output = Command::new(root().join(".venv/bin/python")).args(["-c", program, uri]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Adds an app to the account of a fresh session. Gives its secret and the response.
async fn add_app(stack: &Stack, client: &Client, session: &SignedIn) -> (String, Value) {
    let new = call(client, Method::POST, "/profile/totp", session).await.expect(200);
    let secret = new["secret"].as_str().unwrap().to_owned();
    let code = totp::code(&secret, stack.now());
    (secret, post_as(client, "/profile/totp/confirm", session, &json!({ "code": code })).await.expect(200))
}

#[tokio::test]
async fn an_app_s_codes_are_those_of_an_independent_library() {
    let stack = Stack::shared().await;
    let client = stack.client();
    let email = fresh_email();
    let session = client.register_password(&email, PASSWORD).await;
    let user = &session.user;
    assert_eq!((&user["has_password"], &user["totp"], &user["role"]), (&json!(true), &json!(false), &json!("user")));
    let new = call(&client, Method::POST, "/profile/totp", &session).await.expect(200);
    let secret = new["secret"].as_str().unwrap();
    assert_eq!(parsed(new["otpauth_uri"].as_str().unwrap()), json!([secret, "Example", email, 6, 30]));
    assert!(new["qr_svg"].as_str().unwrap().starts_with("<svg "));
    let confirm =
        async |code: &str| post_as(&client, "/profile/totp/confirm", &session, &json!({ "code": code })).await;
    confirm("12345").await.expect_problem(400, "invalid_code_format");
    let code = pyotp(secret, stack.now());
    confirm(other_than(&code)).await.expect_problem(401, "wrong_code");
    let confirmed = confirm(&code).await.expect(200);
    assert_eq!(confirmed["recovery_codes"].as_array().unwrap().len(), 10);
    assert_eq!((&confirmed["user"]["two_step"], &confirmed["user"]["recovery_codes_left"]), (&json!(true), &json!(10)));
    confirm(&code).await.expect_problem(409, "totp_not_started");

    let challenge = client.log_in(&email, PASSWORD).await.expect(202);
    assert_eq!((&challenge["delivery"], &challenge["methods"]), (&json!("none"), &json!(["totp", "recovery_code"])));
    assert_eq!(client.challenge(&challenge).await.expect(200), challenge);
    client.resend(&challenge).await.expect_problem(410, "code_expired");
    let wrong = enter(&client, &challenge, json!({ "totp": "1" })).await;
    wrong.expect_problem(400, "invalid_code_format");
    assert_eq!(wrong.body["field"], "totp");
    enter(&client, &challenge, json!({ "code": "123456" })).await.expect_problem(400, "invalid_request");
    enter(&client, &challenge, json!({ "totp": "123456", "code": "123456" }))
        .await
        .expect_problem(400, "invalid_request");
    // The next code, which the app shows half a minute later, is accepted early.
    let next = json!({ "totp": pyotp(secret, stack.now() + 30), "remember_device": true });
    let signed_in = enter(&client, &challenge, next).await.expect(200);
    assert_eq!(claims(signed_in["access_token"].as_str().unwrap())["amr"], json!(["pwd", "otp", "mfa"]));
    let device = json!({ "email": email, "password": PASSWORD, "device_token": signed_in["device_token"] });
    let spared = client.post("/login/password", device).await.expect(200);

    let session = SignedIn::from_session(&spared);
    call(&client, Method::POST, "/profile/totp", &session).await.expect_problem(409, "totp_on");
    call(&client, Method::DELETE, "/profile/totp", &session).await.expect(204);
    assert_eq!(client.profile(&session.access_token).await.expect(200)["two_step"], false);
    client.log_in(&email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_account_with_both_enters_whichever_it_has() {
    let stack = Stack::shared().await;
    let client = stack.client();
    let phone = fresh_phone();
    let session = client.register(&phone).await;
    let email = session.user["email"].as_str().unwrap();
    let (secret, confirmed) = add_app(stack, &client, &session).await;
    assert_eq!(confirmed["recovery_codes"].as_array().unwrap().len(), 10, "the phone account had none");
    let refreshed = SignedIn::from_session(&client.refresh(&session.refresh_token).await.expect(200));
    let body = json!({ "new_password": PASSWORD }).to_string();
    client.send(Method::PUT, "/profile/password", Some(&refreshed.access_token), Some(body)).await.expect(204);
    let before = client.inbox(&phone).await.len();
    let challenge = client.log_in(email, PASSWORD).await.expect(202);
    assert_eq!(challenge["methods"], json!(["sms", "totp", "recovery_code"]));
    client.nth_code(&phone, before + 1).await;
    let next = totp::code(&secret, stack.now() + 30);
    enter(&client, &challenge, json!({ "totp": next })).await.expect(200);
}

#[tokio::test]
async fn recovery_codes_come_with_the_first_password_if_asked_for() {
    let client = Stack::shared().await.client();
    let session = client.register(&fresh_phone()).await;
    let authorization = format!("Bearer {}", session.access_token);
    let headers = [("authorization", authorization.as_str()), ("prefer", "return=representation")];
    let body = json!({ "new_password": PASSWORD }).to_string();
    let set = client.send_with(Method::PUT, "/profile/password", &headers, Some(body)).await.expect(200);
    assert_eq!((set["recovery_codes"].as_array().unwrap().len(), &set["user"]["has_password"]), (10, &json!(true)));
    let challenge = client.log_in(session.user["email"].as_str().unwrap(), PASSWORD).await.expect(202);
    enter(&client, &challenge, json!({ "recovery_code": set["recovery_codes"][0] })).await.expect(200);
}

#[tokio::test]
async fn a_second_step_without_messages_left_begins_and_says_so() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let (email, codes) = client.register_two_step(&phone, PASSWORD).await;
    let before = client.inbox(&phone).await.len();
    let challenge = client.log_in(&email, PASSWORD).await.expect(202);
    let code = client.nth_code(&phone, before + 1).await;
    client.delivery_becomes(&challenge, "delivered").await;
    for _ in 0..5 {
        client.verify(&challenge, other_than(&code)).await.expect_problem(401, "wrong_code");
    }
    client.verify(&challenge, &code).await.expect_problem(429, "too_many_attempts");
    let again = client.log_in(&email, PASSWORD).await.expect(202);
    assert_eq!((&again["delivery"], &again["failure"]), (&json!("failed"), &json!("too_many_codes")));
    assert_eq!(again["methods"], json!(["recovery_code"]));
    enter(&client, &again, json!({ "recovery_code": codes[0] })).await.expect(200);
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let client = Stack::shared().await.client();
    let email = fresh_email();
    let mine = client.register_password(&email, PASSWORD).await;
    let login = json!({ "email": email, "password": PASSWORD }).to_string();
    let agent = [("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")];
    let other = client.send_with(Method::POST, "/login/password", &agent, Some(login)).await.expect(200);
    let other = SignedIn::from_session(&other);
    let list = call(&client, Method::GET, "/profile/sessions", &mine).await.expect(200);
    let sessions = list.as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    let current: Vec<&Value> = sessions.iter().filter(|session| session["current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["id"], claims(&mine.access_token)["sid"]);
    let that = sessions.iter().find(|session| session["current"] == false).unwrap();
    assert_eq!((&that["client"], &that["amr"]), (&json!(agent[0].1), &json!(["pwd"])));
    let mut parts: Vec<&String> = that.as_object().unwrap().keys().collect();
    parts.sort();
    assert_eq!(parts, ["amr", "client", "created_at", "current", "id", "last_used_at"]);

    let path = format!("/profile/sessions/{}", that["id"].as_str().unwrap());
    call(&client, Method::DELETE, &path, &mine).await.expect(204);
    call(&client, Method::DELETE, &path, &mine).await.expect_problem(404, "unknown_session");
    client.refresh(&other.refresh_token).await.expect_problem(401, "invalid_refresh_token");
    call(&client, Method::GET, "/profile/sessions", &other).await.expect_problem(401, "invalid_token");
    let third = SignedIn::from_session(&client.log_in(&email, PASSWORD).await.expect(200));
    call(&client, Method::DELETE, "/profile/sessions", &mine).await.expect(204);
    client.refresh(&third.refresh_token).await.expect_problem(401, "invalid_refresh_token");
    client.refresh(&mine.refresh_token).await.expect(200);
}

#[tokio::test]
async fn the_activity_shows_what_happened() {
    let client = Stack::shared().await.client();
    let email = fresh_email();
    let session = client.register_password(&email, PASSWORD).await;
    let body = json!({ "name": "Ada King" }).to_string();
    client.send(Method::PATCH, "/profile", Some(&session.access_token), Some(body)).await.expect(200);
    let second = SignedIn::from_session(&client.log_in(&email, PASSWORD).await.expect(200));
    client.post("/session/logout", json!({ "refresh_token": second.refresh_token })).await.expect(204);
    let page = call(&client, Method::GET, "/profile/activity", &session).await.expect(200);
    let events: Vec<&str> =
        page["items"].as_array().unwrap().iter().map(|entry| entry["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["signed_out", "signed_in", "name_changed", "registered"]);
    assert_eq!(page["items"][1]["session_id"], claims(&second.access_token)["sid"]);
    assert!(page.get("next").is_none());
    for wrong in ["?after=", "?after=x", "?after=1&after=2", "?after=%00"] {
        let refused = call(&client, Method::GET, &format!("/profile/activity{wrong}"), &session).await;
        refused.expect_problem(400, "invalid_request");
    }
    let old = call(&client, Method::GET, "/profile/activity?after=00000000000000-0000000000-00000000", &session).await;
    assert_eq!(old.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_user_takes_their_data_and_deletes_the_account() {
    let stack = Stack::shared().await;
    let client = stack.client();
    let phone = fresh_phone();
    let (email, _) = client.register_two_step(&phone, PASSWORD).await;
    let session = client.log_in_two_step(&email, PASSWORD, &phone).await;
    let export = call(&client, Method::GET, "/profile/export", &session).await.expect(200);
    assert_eq!((&export["user"]["email"], &export["user"]["phone"]), (&json!(email), &json!(phone)));
    assert_eq!(export["sessions"].as_array().unwrap().len(), 2);
    assert!(export["activity"].as_array().unwrap().iter().any(|entry| entry["event"] == "phone_verified"));
    let text = export.to_string();
    for secret in ["argon2", "$", "token", "hash", "sealed"] {
        assert!(!text.contains(secret), "{secret} is in the export");
    }
    call(&client, Method::DELETE, "/profile", &session).await.expect(204);
    client.profile(&session.access_token).await.expect_problem(401, "invalid_token");
    client.refresh(&session.refresh_token).await.expect_problem(401, "invalid_refresh_token");
    client.log_in(&email, PASSWORD).await.expect_problem(401, "invalid_credentials");
    client.register_password(&email, OTHER_PASSWORD).await;
}

#[tokio::test]
async fn changes_of_the_account_need_a_recent_sign_in_and_the_live_session() {
    let stack = Stack::start(&[("CONCURRENCY", "1")]).await;
    let client = stack.client();
    let session = client.register_password(&fresh_email(), PASSWORD).await;
    stack.advance(301);
    for (method, path) in
        [(Method::POST, "/profile/totp"), (Method::GET, "/profile/export"), (Method::DELETE, "/profile")]
    {
        call(&client, method, path, &session).await.expect_problem(401, "reauth_required");
    }
    call(&client, Method::DELETE, "/profile/totp", &session).await.expect_problem(401, "reauth_required");
    call(&client, Method::GET, "/profile/activity", &session).await.expect(200);
    client.post("/session/logout", json!({ "refresh_token": session.refresh_token })).await.expect(204);
    client.profile(&session.access_token).await.expect(200);
    let rename = json!({ "name": "Thief" }).to_string();
    let renamed = client.send(Method::PATCH, "/profile", Some(&session.access_token), Some(rename)).await;
    renamed.expect_problem(401, "invalid_token");
    call(&client, Method::DELETE, "/profile/devices/x", &session).await.expect_problem(401, "invalid_token");
}

#[tokio::test]
async fn a_phone_change_needs_the_live_session_at_its_end() {
    let client = Stack::shared().await.client();
    let (session, wanted) = (client.register(&fresh_phone()).await, fresh_phone());
    let change = client.set_phone(&session, &wanted).await.expect(202);
    let code = client.code(&wanted).await;
    client.verify(&change, &code).await.expect(200);
    let wanted = fresh_phone();
    let change = client.set_phone(&session, &wanted).await.expect(202);
    let code = client.code(&wanted).await;
    client.post("/session/logout", json!({ "refresh_token": session.refresh_token })).await.expect(204);
    client.verify(&change, &code).await.expect_problem(410, "code_expired");
}

// Lost answers

/// Sends a request, and drops the connection when the answer arrives.
async fn lose(stack: &Stack, method: &str, path: &str, headers: &[(&str, &str)], body: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", stack.api_port)).await.unwrap();
    let length = body.len();
    let mut head = format!("{method} /v1{path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n");
    for (name, value) in [("content-type", "application/json")].iter().chain(headers) {
        head = head + name + ": " + value + "\r\n";
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
    stream.read_exact(&mut [0]).await.unwrap();
}

/// [`lose`], then the same request again, twice: both answers.
async fn lose_and_repeat(
    stack: &Stack,
    method: Method,
    path: &str,
    authorization: Option<&str>,
    body: &Value,
) -> [Answer; 2] {
    let (client, key, body) = (stack.client(), fresh_key(), body.to_string());
    let mut headers = vec![(KEY, key.as_str())];
    headers.extend(authorization.map(|authorization| ("authorization", authorization)));
    lose(stack, method.as_str(), path, &headers, &body).await;
    let again = || client.send_with(method.clone(), path, &headers, Some(body.clone()));
    [again().await, again().await]
}

#[tokio::test]
async fn every_request_that_succeeds_once_gives_its_outcome_again() {
    let stack = Stack::shared().await;
    let client = stack.client();

    let email = fresh_email();
    let body = json!({ "name": "Grace Hopper", "email": email, "password": PASSWORD });
    let [first, second] = lose_and_repeat(stack, Method::POST, "/register/password", None, &body).await;
    let (first, second) = (SignedIn::from_session(&first.expect(201)), SignedIn::from_session(&second.expect(201)));
    assert_eq!(claims(&first.access_token)["sid"], claims(&second.access_token)["sid"]);
    client.post("/register/password", body).await.expect_problem(409, "email_taken");
    client.refresh(&second.refresh_token).await.expect(200);

    let phone = fresh_phone();
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    let path = format!("/codes/{}/verify", challenge["challenge_id"].as_str().unwrap());
    let body = json!({ "code": client.code(&phone).await });
    let [first, second] = lose_and_repeat(stack, Method::POST, &path, None, &body).await;
    let verified = first.expect(200);
    assert_eq!(verified, second.expect(200));
    client.post(&path, body).await.expect_problem(410, "code_used");

    let token = &verified["registration_token"];
    let taken = json!({ "registration_token": token, "name": "Ada", "email": email });
    client.post("/register/complete", taken).await.expect_problem(409, "email_taken");
    let body = json!({ "registration_token": token, "name": "Ada", "email": fresh_email() });
    let [first, second] = lose_and_repeat(stack, Method::POST, "/register/complete", None, &body).await;
    let (first, second) = (first.expect(201), second.expect(201));
    assert_eq!(first["user"], second["user"]);
    client.post("/register/complete", body).await.expect_problem(401, "invalid_registration_token");
    let session = SignedIn::from_session(&second);
    let bearer = format!("Bearer {}", session.access_token);

    let [first, second] =
        lose_and_repeat(stack, Method::POST, "/profile/recovery-codes", Some(&bearer), &json!({})).await;
    let codes = first.expect(200);
    assert_eq!(codes, second.expect(200));

    let new = call(&client, Method::POST, "/profile/totp", &session).await.expect(200);
    let secret = new["secret"].as_str().unwrap();
    let body = json!({ "code": totp::code(secret, stack.now()) });
    let [first, second] = lose_and_repeat(stack, Method::POST, "/profile/totp/confirm", Some(&bearer), &body).await;
    assert_eq!(first.expect(200)["user"]["totp"], true);
    assert_eq!(second.expect(200)["user"]["totp"], true);

    let challenge = client.start("/login/phone", &phone).await.expect(202);
    let path = format!("/codes/{}/verify", challenge["challenge_id"].as_str().unwrap());
    let body = json!({ "recovery_code": codes["recovery_codes"][3] });
    let [first, second] = lose_and_repeat(stack, Method::POST, &path, None, &body).await;
    let (first, second) = (SignedIn::from_session(&first.expect(200)), SignedIn::from_session(&second.expect(200)));
    assert_eq!(claims(&first.access_token)["sid"], claims(&second.access_token)["sid"]);
    client.refresh(&second.refresh_token).await.expect(200);

    let forgot = client.post("/password/forgot", json!({ "email": email })).await.expect(202);
    let granted = client.verify(&forgot, &client.nth_email_code(&email, 2).await).await.expect(200);
    let body = json!({ "reset_token": granted["reset_token"], "new_password": OTHER_PASSWORD });
    let [first, second] = lose_and_repeat(stack, Method::POST, "/password/reset", None, &body).await;
    let (first, second) = (SignedIn::from_session(&first.expect(200)), SignedIn::from_session(&second.expect(200)));
    assert_eq!(claims(&first.access_token)["sid"], claims(&second.access_token)["sid"]);
    client.post("/password/reset", body).await.expect_problem(401, "invalid_reset_token");

    let lost = client.register_password(&fresh_email(), PASSWORD).await;
    let body = json!({ "refresh_token": lost.refresh_token });
    lose(stack, "POST", "/session/refresh", &[], &body.to_string()).await;
    client.refresh(&lost.refresh_token).await.expect(200);
}

#[tokio::test]
async fn a_key_belongs_to_one_request() {
    let client = Stack::shared().await.client();
    let key = fresh_key();
    let register = async |key: &str, email: &str| {
        let body = json!({ "name": "Grace Hopper", "email": email, "password": PASSWORD }).to_string();
        client.send_with(Method::POST, "/register/password", &[(KEY, key)], Some(body)).await
    };
    register(&key, &fresh_email()).await.expect(201);
    register(&key, &fresh_email()).await.expect_problem(422, "idempotency_mismatch");
    for wrong in ["short", &"x".repeat(65)] {
        register(wrong, &fresh_email()).await.expect_problem(400, "invalid_request");
    }
    let phone = fresh_phone();
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    let path = format!("/codes/{}/verify", challenge["challenge_id"].as_str().unwrap());
    let (code, key) = (client.code(&phone).await, fresh_key());
    let enter = async |code: &str| {
        client.send_with(Method::POST, &path, &[(KEY, &key)], Some(json!({ "code": code }).to_string())).await
    };
    let wrong = enter(other_than(&code)).await;
    wrong.expect_problem(401, "wrong_code");
    assert_eq!(enter(other_than(&code)).await.body, wrong.body, "counted once");
    enter(&code).await.expect_problem(422, "idempotency_mismatch");
    client.verify(&challenge, &code).await.expect(200);
}

#[tokio::test]
async fn one_browser_is_remembered_by_two_accounts() {
    let client = Stack::shared().await.client();
    let mut cookie = String::new();
    let mut emails = Vec::new();
    for _ in 0..2 {
        let phone = fresh_phone();
        let (email, _) = client.register_two_step(&phone, PASSWORD).await;
        let before = client.inbox(&phone).await.len();
        let challenge = client.log_in(&email, PASSWORD).await.expect(202);
        let code = client.nth_code(&phone, before + 1).await;
        let path = format!("/codes/{}/verify", challenge["challenge_id"].as_str().unwrap());
        let headers = [("x-session", "cookie"), ("origin", &client.api), ("cookie", &cookie)];
        let body = json!({ "code": code, "remember_device": true }).to_string();
        let answer = client.send_with(Method::POST, &path, &headers, Some(body)).await;
        let set =
            answer.headers.iter().find(|(_, value)| value.starts_with("twostep-device=")).expect("a device cookie");
        set.1.split(';').next().unwrap().clone_into(&mut cookie);
        emails.push(email);
    }
    for email in emails {
        let headers = [("x-session", "cookie"), ("origin", &client.api), ("cookie", &cookie)];
        let body = json!({ "email": email, "password": PASSWORD }).to_string();
        let answer = client.send_with(Method::POST, "/login/password", &headers, Some(body)).await;
        assert_eq!(answer.expect(200)["outcome"], "signed_in");
    }
}
