//! What operators see and change of accounts, over HTTP, and who is refused at each of their routes.

use reqwest::Method;
use serde_json::{Value, json};
use twostep_tests::{
    Answer, Client, PASSWORD, SignedIn, Stack, eventually, fresh_email, fresh_phone, relying_party::RelyingParty,
};

struct Operator {
    client: Client,
    key: String,
}

impl Operator {
    async fn open() -> Self {
        let stack = Stack::shared().await;
        Self { client: stack.client(), key: stack.admin_key().await }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.call_as(&self.key, method, path, body).await
    }

    async fn call_as(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
        let token = Some(token).filter(|token| !token.is_empty());
        self.client.send(method, &format!("/admin{path}"), token, body.map(|body| body.to_string())).await
    }

    async fn post(&self, user: &str, action: &str) -> Answer {
        self.call(Method::POST, &format!("/users/{user}/{action}"), None).await
    }

    async fn user(&self, id: &str) -> Value {
        self.call(Method::GET, &format!("/users/{id}"), None).await.expect(200)
    }
}

fn id_of(session: &SignedIn) -> &str {
    session.user["id"].as_str().unwrap()
}

#[tokio::test]
async fn an_operator_finds_a_user_by_address_number_and_id() {
    let operator = Operator::open().await;
    let phone = fresh_phone();
    let session = operator.client.register(&phone).await;
    let user = operator.user(id_of(&session)).await;
    let mut expected = session.user.clone();
    for (field, value) in [("disabled", json!(false)), ("sessions", json!(1)), ("devices", json!(0))] {
        expected[field] = value;
    }
    expected["last_used_at"] = session.user["created_at"].clone();
    assert_eq!(user, expected);

    let email = session.user["email"].as_str().unwrap().replace('@', "%40");
    for query in [
        format!("email={email}"),
        format!("phone=%2B{}", &phone[1..]),
        format!("phone={phone}"),
        format!("id={}", id_of(&session)),
    ] {
        let found = operator.call(Method::GET, &format!("/users?{query}"), None).await.expect(200);
        assert_eq!(found, json!({ "items": [user] }), "{query}");
    }
    for nobody in ["email=nobody%40example.com", "id=nobody", "phone=%2B14155550199"] {
        let found = operator.call(Method::GET, &format!("/users?{nobody}"), None).await.expect(200);
        assert_eq!(found, json!({ "items": [] }), "{nobody}");
    }
    let masked = operator.call(Method::GET, &format!("/users/{}?view=masked", id_of(&session)), None).await.expect(200);
    assert_eq!(masked["phone"], format!("•••{}", &phone[phone.len() - 2..]));
    assert!(masked["email"].as_str().unwrap().contains("•••@"), "{masked}");

    for (query, code) in [
        ("email=x", "invalid_email"),
        ("phone=123", "invalid_phone"),
        ("id=a&email=a%40b.example", "invalid_request"),
        ("after=x", "invalid_request"),
        ("view=all", "invalid_request"),
    ] {
        operator.call(Method::GET, &format!("/users?{query}"), None).await.expect_problem(400, code);
    }
}

#[tokio::test]
async fn new_users_are_first_in_the_list() {
    let operator = Operator::open().await;
    let session = operator.client.register_password(&fresh_email(), PASSWORD).await;
    eventually("the list", async || {
        let page = operator.call(Method::GET, "/users?view=masked", None).await.expect(200);
        let items = page["items"].as_array().unwrap();
        items.iter().any(|user| user["id"] == session.user["id"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_an_operator_does_shows_in_both_trails() {
    let operator = Operator::open().await;
    let phone = fresh_phone();
    let (email, _) = operator.client.register_two_step(&phone, PASSWORD).await;
    let session = operator.client.log_in_two_step(&email, PASSWORD, &phone).await;
    let id = id_of(&session);

    let party = RelyingParty::register(&operator.client, &operator.key, "web").await;
    let sent = party.authorize(Some(&session.refresh_token), &[]).await;
    let tokens = party.exchange(&sent.code()).await.expect(200);
    operator.post(id, "disable").await.expect(204);
    let refused = party.refresh(tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!((refused.status, &refused.body["error"]), (400, &json!("invalid_grant")), "its clients' tokens too");
    assert_eq!(operator.user(id).await["disabled"], true);
    operator.client.profile(&session.access_token).await.expect_problem(401, "invalid_token");
    operator.client.refresh(&session.refresh_token).await.expect_problem(401, "invalid_refresh_token");
    operator.client.log_in(&email, PASSWORD).await.expect_problem(401, "invalid_credentials");
    operator.post(id, "enable").await.expect(204);
    operator.post(id, "unlock").await.expect(204);
    operator.post(id, "remove-totp").await.expect(204);
    operator.post(id, "remove-phone").await.expect(204);
    operator.post(id, "sign-out").await.expect(204);
    let user = operator.user(id).await;
    assert_eq!((&user["phone"], &user["two_step"], &user["sessions"]), (&Value::Null, &json!(false), &json!(0)));
    let again = SignedIn::from_session(&operator.client.log_in(&email, PASSWORD).await.expect(200));
    assert_eq!(id_of(&again), id);

    let own = operator.call(Method::GET, &format!("/users/{id}/activity"), None).await.expect(200);
    let events: Vec<(&str, bool)> = own["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["event"].as_str().unwrap(), entry["by"] == "operator"))
        .take(6)
        .collect();
    let expected = ["signed_in", "other_sessions_ended", "phone_removed", "unlocked", "enabled", "disabled"];
    assert_eq!(events, expected.map(|event| (event, event != "signed_in")));
    let shown =
        operator.client.send(Method::GET, "/profile/activity", Some(&again.access_token), None).await.expect(200);
    assert_eq!(shown["items"][1]["by"], "operator", "the user sees it");

    operator.call(Method::DELETE, &format!("/users/{id}"), None).await.expect(204);
    operator.call(Method::GET, &format!("/users/{id}"), None).await.expect_problem(404, "unknown_user");
    operator.client.register_password(&email, PASSWORD).await;

    let mut after = String::new();
    let mut actions = Vec::new();
    // Tests that run at the same time leave entries too.
    for _ in 0..20 {
        let page = operator.call(Method::GET, &format!("/activity{after}"), None).await.expect(200);
        let items = page["items"].as_array().unwrap();
        let own = items.iter().filter(|entry| entry["user_id"] == id);
        actions.extend(own.map(|entry| {
            assert_eq!(entry["operator"]["kind"], "admin_key");
            entry["action"].as_str().unwrap().to_owned()
        }));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("?after={next}");
    }
    actions.retain(|action| action != "user_viewed");
    let expected =
        ["user_deleted", "user_signed_out", "user_phone_removed", "user_unlocked", "user_enabled", "user_disabled"];
    assert_eq!(actions, expected);
}

/// Every route for operators, with a body that it accepts.
fn routes() -> Vec<(Method, String, Option<Value>)> {
    let described: serde_yaml_ng::Value = serde_yaml_ng::from_str(include_str!("../../../docs/openapi.yaml")).unwrap();
    let mut routes = Vec::new();
    for (path, item) in described["paths"].as_mapping().unwrap() {
        let path = path.as_str().unwrap();
        for (method, operation) in item.as_mapping().unwrap() {
            let for_operators = operation["security"]
                .as_sequence()
                .is_some_and(|schemes| schemes.iter().any(|scheme| scheme.get("adminKey").is_some()));
            if for_operators {
                let method: Method = method.as_str().unwrap().to_uppercase().parse().unwrap();
                let body = operation.get("requestBody").map(|_| json!({}));
                let path = path.strip_prefix("/v1").unwrap().replace("{id}", "nobody").replace("{delivery}", "none");
                routes.push((method, path, body));
            }
        }
    }
    routes
}

#[tokio::test]
async fn each_route_for_operators_refuses_everybody_else() {
    let operator = Operator::open().await;
    let client = &operator.client;
    let phone = fresh_phone();
    let user = client.register(&phone).await;
    let one_step = client.register_password(&fresh_email(), PASSWORD).await;
    let role = format!("/users/{}/role", id_of(&one_step));
    operator.call(Method::PUT, &role, Some(json!({ "role": "admin" }))).await.expect(204);
    let party = RelyingParty::register(client, &operator.key, "web").await;
    let sent = party.authorize(Some(&user.refresh_token), &[]).await;
    let tokens = party.exchange(&sent.code()).await.expect(200);
    let of_client = tokens["access_token"].as_str().unwrap();

    let routes = routes();
    assert!(routes.len() >= 20, "{}", routes.len());
    for (method, path, body) in routes {
        for (token, status, code) in [
            ("", 401, "invalid_admin_key"),
            (&*user.access_token, 403, "not_an_admin"),
            (&one_step.access_token, 401, "reauth_required"),
            (of_client, 401, "invalid_token"),
            (&user.refresh_token, 401, "invalid_admin_key"),
        ] {
            let token = Some(token).filter(|token| !token.is_empty());
            let body = body.as_ref().map(Value::to_string);
            let answer = client.send(method.clone(), &path, token, body).await;
            assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{method} {path}");
        }
    }
    let role_again = operator.call(Method::PUT, &role, Some(json!({ "role": "user" }))).await;
    assert!([204, 409].contains(&role_again.status));
}

#[tokio::test]
async fn an_admin_operates_with_an_access_token() {
    let operator = Operator::open().await;
    let phone = fresh_phone();
    let (email, _) = operator.client.register_two_step(&phone, PASSWORD).await;
    let session = operator.client.log_in_two_step(&email, PASSWORD, &phone).await;
    let id = id_of(&session);
    let role = json!({ "role": "admin" });
    operator.call(Method::PUT, &format!("/users/{id}/role"), Some(role)).await.expect(204);
    let token = &session.access_token;
    operator.client.send(Method::GET, "/settings", Some(token), None).await.expect(200);
    operator.call_as(token, Method::GET, "/clients", None).await.expect(200);
    let user = operator.client.register(&fresh_phone()).await;
    operator.call_as(token, Method::POST, &format!("/users/{}/sign-out", id_of(&user)), None).await.expect(204);
    let trail = operator.call_as(token, Method::GET, "/activity", None).await.expect(200);
    let entries = trail["items"].as_array().unwrap();
    let own = entries.iter().find(|entry| entry["user_id"] == user.user["id"]).unwrap();
    assert_eq!(own["operator"], json!({ "kind": "user", "id": id }));

    for (body, code) in [
        (json!({ "role": "root" }), "invalid_setting"),
        (json!({ "role": "user", "disabled": true }), "invalid_request"),
        (json!({}), "invalid_request"),
    ] {
        operator.call(Method::PUT, &format!("/users/{id}/role"), Some(body)).await.expect_problem(400, code);
    }
    operator.post("nobody", "disable").await.expect_problem(404, "unknown_user");
    assert_eq!(operator.post(id, "promote").await.status, 404);
}

#[tokio::test]
async fn wrong_admin_keys_count_together_at_every_function_of_operators() {
    let stack = Stack::start(&[("LIMITS", "deployed"), ("THROTTLES", "off")]).await;
    let (client, key) = (stack.client(), stack.admin_key().await);
    // A wrong key is forgiven after a while.
    stack.stand_at(stack.now());
    let paths = ["/settings", "/admin/clients", "/admin/users", "/admin/users/export", "/admin/webhooks"];
    let ask = async |path: &str, key: &str| client.send(Method::GET, path, Some(key), None).await;
    let mut wrong = 0;
    let refused = loop {
        let answer = ask(paths[wrong % paths.len()], "wrong").await;
        if answer.status != 401 {
            break answer;
        }
        answer.expect_problem(401, "invalid_admin_key");
        wrong += 1;
        assert!(wrong < 100, "no limit after {wrong} wrong keys");
    };
    assert!(wrong >= paths.len(), "limited after {wrong} wrong keys");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    refused.expect_problem(429, "too_many_requests");
    for path in paths {
        ask(path, &key).await.expect_problem(429, "too_many_requests");
    }
}
