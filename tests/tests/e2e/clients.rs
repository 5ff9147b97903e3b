//! The client registry: what admins can register, and what happens to secrets.

use reqwest::Method;
use serde_json::{Value, json};
use twostep_tests::{
    Answer, Client, Stack, fresh_phone,
    relying_party::{REDIRECT_URI, RelyingParty},
};

struct Registry {
    client: Client,
    key: String,
}

impl Registry {
    async fn open() -> Self {
        let stack = Stack::shared().await;
        Self { client: stack.client(), key: stack.admin_key().await }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let path = format!("/admin/clients{path}");
        self.client.send(method, &path, Some(&self.key), body.map(|body| body.to_string())).await
    }

    async fn create(&self, body: Value) -> Answer {
        self.call(Method::POST, "", Some(body)).await
    }
}

#[tokio::test]
async fn a_client_is_created_changed_listed_and_removed() {
    let registry = Registry::open().await;
    let body = json!({"name": " Shop ", "kind": "web", "redirect_uris": [REDIRECT_URI]});
    let created = registry.create(body).await.expect(201);
    let id = created["client_id"].as_str().unwrap();
    assert_eq!(created["client_secret"].as_str().unwrap().len(), 43);
    let shown = registry.call(Method::GET, &format!("/{id}"), None).await.expect(200);
    let mut expected = created.clone();
    expected.as_object_mut().unwrap().remove("client_secret");
    assert_eq!(shown, expected, "the secret is shown once");
    let fields = ["client_id", "created_at", "kind", "name", "post_logout_redirect_uris", "redirect_uris"];
    assert_eq!(shown.as_object().unwrap().keys().collect::<Vec<_>>(), fields);
    assert_eq!((&shown["name"], &shown["post_logout_redirect_uris"]), (&json!("Shop"), &json!([])));

    let change = json!({"name": "Store", "redirect_uris": ["http://localhost:3000/cb", REDIRECT_URI]});
    let changed = registry.call(Method::PATCH, &format!("/{id}"), Some(change)).await.expect(200);
    assert_eq!((&changed["name"], changed["redirect_uris"].as_array().unwrap().len()), (&json!("Store"), 2));
    assert_eq!(changed["created_at"], created["created_at"]);
    let all = registry.call(Method::GET, "", None).await.expect(200);
    assert!(all["items"].as_array().unwrap().contains(&changed));

    registry.call(Method::DELETE, &format!("/{id}"), None).await.expect(204);
    for (method, path) in [(Method::GET, ""), (Method::PATCH, ""), (Method::DELETE, ""), (Method::POST, "/secret")] {
        let body = (method == Method::PATCH).then(|| json!({}));
        let answer = registry.call(method, &format!("/{id}{path}"), body).await;
        answer.expect_problem(404, "unknown_client");
    }
}

#[tokio::test]
async fn what_a_kind_of_client_cannot_have_is_refused_with_the_field() {
    let registry = Registry::open().await;
    let web = |name: &str, value: Value| {
        let mut body = json!({"name": "Shop", "kind": "web"});
        body[name] = value;
        body
    };
    let long = "x".repeat(101);
    for (body, field) in [
        (web("name", json!("")), "name"),
        (web("name", json!(long)), "name"),
        (web("kind", json!("robot")), "kind"),
        (web("redirect_uris", json!(["http://shop.example/cb"])), "redirect_uris"),
        (web("redirect_uris", json!(["https://shop.example/cb#f"])), "redirect_uris"),
        (web("redirect_uris", json!(["com.example.app:/cb"])), "redirect_uris"),
        (web("redirect_uris", json!(vec![REDIRECT_URI; 21])), "redirect_uris"),
        (web("post_logout_redirect_uris", json!(["/bye"])), "post_logout_redirect_uris"),
        (json!({"name": "Server", "kind": "server", "redirect_uris": [REDIRECT_URI]}), "redirect_uris"),
    ] {
        let answer = registry.create(body.clone()).await;
        answer.expect_problem(400, "invalid_setting");
        assert_eq!(answer.body["field"], field, "{body}");
    }
    registry.create(web("secret", json!("x"))).await.expect_problem(400, "invalid_request");
    registry.create(web("redirect_uris", json!("x"))).await.expect_problem(400, "invalid_request");
    let native = json!({"name": "App", "kind": "native", "redirect_uris": ["com.example.app:/cb"]});
    let native = registry.create(native).await.expect(201);
    assert_eq!(native.get("client_secret"), None);
    let path = format!("/{}/secret", native["client_id"].as_str().unwrap());
    registry.call(Method::POST, &path, None).await.expect_problem(400, "invalid_setting");
    for key in [None, Some("wrong")] {
        let answer = registry.client.send(Method::GET, "/admin/clients", key, None).await;
        answer.expect_problem(401, "invalid_admin_key");
    }
}

#[tokio::test]
async fn a_former_secret_works_for_a_day() {
    let stack = Stack::start(&[]).await;
    let (client, key) = (stack.client(), stack.admin_key().await);
    let former = RelyingParty::register(&client, &key, "web").await;
    let renew = async || {
        let path = format!("/admin/clients/{}/secret", former.id);
        let renewed = client.send(Method::POST, &path, Some(&key), None).await.expect(200);
        assert_eq!(renewed["client_id"], former.id);
        former.with_secret(renewed["client_secret"].as_str().unwrap())
    };
    let works = async |party: &RelyingParty| party.introspect("x").await.status == 200;
    let present = renew().await;
    assert!(works(&present).await && works(&former).await);
    stack.advance(24 * 60 * 60 - 60);
    assert!(works(&former).await);
    stack.advance(61);
    assert!(works(&present).await && !works(&former).await);
    let (next, last) = (renew().await, renew().await);
    assert!(works(&last).await && works(&next).await && !works(&present).await, "no more than two");
}

#[tokio::test]
async fn parallel_changes_are_all_kept_and_a_removed_client_ends() {
    let stack = Stack::start(&[]).await;
    let (client, key) = (stack.client(), stack.admin_key().await);
    let mut race = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (client, key) = (client.clone(), key.clone());
        race.spawn(async move { RelyingParty::register(&client, &key, "web").await.id });
    }
    let mut made = race.join_all().await;
    let all = client.send(Method::GET, "/admin/clients", Some(&key), None).await.expect(200);
    let mut listed: Vec<String> =
        all["items"].as_array().unwrap().iter().map(|item| item["client_id"].as_str().unwrap().to_owned()).collect();
    made.sort();
    listed.sort();
    assert_eq!(made, listed);

    let party = RelyingParty::register(&client, &key, "web").await;
    let session = client.register(&fresh_phone()).await;
    let tokens = party.sign_in(&session.refresh_token).await;
    client.send(Method::DELETE, &format!("/admin/clients/{}", party.id), Some(&key), None).await.expect(204);
    stack.advance(31);
    assert_eq!(party.authorize(Some(&session.refresh_token), &[]).await.status, 400);
    assert_eq!(party.refresh(tokens["refresh_token"].as_str().unwrap()).await.status, 401);
}
