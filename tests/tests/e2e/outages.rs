//! If DynamoDB or Secrets Manager is unreachable, callers get 503 and nothing is partially written.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use twostep_tests::{
    Answer, Client, PASSWORD, SignedIn, Stack,
    backend::{Backend, Fault, Mode},
    eventually, fresh_email, fresh_phone,
    stack::free_ports,
    wire::Wire,
};

#[tokio::test]
async fn while_dynamodb_is_away_callers_get_503_and_afterwards_all_goes_on() {
    let [dynamodb] = free_ports();
    let wire = Wire::to(dynamodb).await;
    let environment =
        [("DYNAMODB_PORT", &*dynamodb.to_string()), ("AWS_ENDPOINT_URL_DYNAMODB", &wire.url()), ("CONCURRENCY", "1")];
    let stack = Stack::start(&environment).await;
    let client = stack.client();
    let phone = fresh_phone();
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    let code = client.code(&phone).await;
    let session = client.register(&fresh_phone()).await;

    wire.cut().await;
    for path in ["/register/phone", "/login/phone"] {
        client.start(path, &fresh_phone()).await.expect_problem(503, "temporarily_unavailable");
    }
    client.verify(&challenge, &code).await.expect_problem(503, "temporarily_unavailable");
    client.challenge(&challenge).await.expect_problem(503, "temporarily_unavailable");
    client.profile(&session.access_token).await.expect_problem(503, "temporarily_unavailable");
    client.refresh(&session.refresh_token).await.expect_problem(503, "temporarily_unavailable");

    wire.mend();
    client.verify(&challenge, &code).await.expect(200);
    client.refresh(&session.refresh_token).await.expect(200);
}

/// A request to each route that needs DynamoDB, with what the route demands.
async fn ask_everything(client: &Client, session: &SignedIn, challenge: &Value) -> Vec<(String, Answer)> {
    let id = challenge["challenge_id"].as_str().unwrap();
    let phone = json!({ "phone": fresh_phone() });
    let login = json!({ "email": "ada@example.com", "password": PASSWORD });
    let new = json!({ "email": fresh_email(), "password": PASSWORD, "name": "Ada" });
    let refresh = json!({ "refresh_token": session.refresh_token });
    let requests = [
        (Method::POST, "/register/phone".to_owned(), Some(phone.clone())),
        (Method::POST, "/register/password".to_owned(), Some(new)),
        (Method::POST, "/login/phone".to_owned(), Some(phone.clone())),
        (Method::POST, "/login/password".to_owned(), Some(login)),
        (Method::POST, format!("/codes/{id}/verify"), Some(json!({ "code": "123456" }))),
        (Method::POST, format!("/codes/{id}/resend"), None),
        (Method::GET, format!("/codes/{id}"), None),
        (Method::GET, "/profile".to_owned(), None),
        (Method::PUT, "/profile/phone".to_owned(), Some(phone)),
        (Method::POST, "/session/refresh".to_owned(), Some(refresh)),
    ];
    let asked = requests.into_iter().map(|(method, path, body)| async move {
        let body = body.map(|body| body.to_string());
        let answer = client.send(method.clone(), &path, Some(&session.access_token), body).await;
        (format!("{method} {path}"), answer)
    });
    futures_util::future::join_all(asked).await
}

#[tokio::test]
async fn while_dynamodb_hangs_or_is_slow_every_route_answers_its_own_503_in_time() {
    let [dynamodb] = free_ports();
    let backend = Backend::before(dynamodb).await;
    let wire = Wire::to(backend.port()).await;
    let environment = [
        ("DYNAMODB_PORT", &*dynamodb.to_string()),
        ("AWS_ENDPOINT_URL_DYNAMODB", &wire.url()),
        ("CONCURRENCY", "1"),
        ("LOG_LEVEL", "warn"),
    ];
    let stack = Stack::start(&environment).await;
    let client = stack.client();
    let session = client.register(&fresh_phone()).await;
    let challenge = client.start("/register/phone", &fresh_phone()).await.expect(202);
    // Every function is warm.
    ask_everything(&client, &session, &challenge).await;
    // Longer than settings are cached.
    stack.advance(31);
    wire.hang();
    for (request, answer) in ask_everything(&client, &session, &challenge).await {
        assert_eq!((answer.status, &answer.body["code"]), (503, &json!("temporarily_unavailable")), "{request}");
        answer.expect_problem(503, "temporarily_unavailable");
    }
    wire.mend();
    let session = client.register(&fresh_phone()).await;
    // Every answer comes within the SDK's own time limit, and all of them together take longer than the function may.
    backend.inject(Fault {
        function: "password-login",
        call: "",
        mode: Mode::Delay(Duration::from_millis(1_800)),
        skip: 0,
        count: usize::MAX,
    });
    stack.advance(31);
    let body = json!({ "email": session.user["email"], "password": PASSWORD });
    for _ in 0..2 {
        let answer = client.post("/login/password", body.clone()).await;
        assert!(answer.status != 500 && !answer.body["code"].is_null(), "{}: {}", answer.status, answer.body);
    }
}

#[tokio::test]
async fn while_secrets_manager_is_away_callers_get_503_and_afterwards_all_goes_on() {
    let [secrets] = free_ports();
    let wire = Wire::to(secrets).await;
    wire.cut().await;
    let environment = [
        ("SECRETS_PORT", &*secrets.to_string()),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &wire.url()),
        ("CONCURRENCY", "1"),
    ];
    let stack = Stack::start(&environment).await;
    let client = stack.client();
    client.get("/.well-known/jwks.json").await.expect_problem(503, "temporarily_unavailable");
    client.start("/register/phone", &fresh_phone()).await.expect_problem(503, "temporarily_unavailable");
    client.profile("x").await.expect_problem(503, "temporarily_unavailable");

    wire.mend();
    let phone = fresh_phone();
    let answer = eventually("a challenge", async || {
        let answer = client.start("/register/phone", &phone).await;
        (answer.status == 202).then_some(answer)
    })
    .await;
    client.verify(&answer.body, &client.code(&phone).await).await.expect(200);
}
