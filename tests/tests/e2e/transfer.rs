//! Accounts move in with their passwords, and out again.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use twostep_tests::{Answer, Client, PASSWORD, SignedIn, Stack, fresh_email, fresh_phone, http};

const NDJSON: &str = "application/x-ndjson";

struct Operator {
    client: Client,
    key: String,
}

impl Operator {
    async fn open() -> Self {
        let stack = Stack::shared().await;
        Self { client: stack.client(), key: stack.admin_key().await }
    }

    async fn import_as(&self, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = http().post(format!("{}/v1/admin/users/import", self.client.api));
        let request = request.bearer_auth(&self.key).header("content-type", content_type).body(body);
        Answer::read(request.send().await.unwrap()).await
    }

    async fn import(&self, lines: &[Value]) -> Vec<Value> {
        let body = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
        let answer = self.import_as(NDJSON, body).await.expect(200);
        answer["results"].as_array().unwrap().clone()
    }

    /// Every account, by its address.
    async fn export(&self) -> BTreeMap<String, Value> {
        let mut users = BTreeMap::new();
        let mut path = "/v1/admin/users/export".to_owned();
        loop {
            let answer = http().get(format!("{}{path}", self.client.api)).bearer_auth(&self.key).send().await.unwrap();
            assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (200, &NDJSON.parse().unwrap()));
            let link = answer.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
            let text = answer.text().await.unwrap();
            let page: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert!(page.len() <= 200);
            users.extend(page.into_iter().map(|user| (user["email"].as_str().unwrap().to_owned(), user)));
            let Some(link) = link else { return users };
            link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().clone_into(&mut path);
        }
    }
}

#[tokio::test]
async fn users_move_in_with_the_passwords_of_each_kind_and_get_ours_at_their_first_sign_in() {
    let operator = Operator::open().await;
    let vectors: Value = serde_json::from_str(include_str!("../../hashes/vectors.json")).unwrap();
    let mut lines = Vec::new();
    for vector in vectors["hashes"].as_array().unwrap() {
        let mut hash = json!({ "kind": vector["kind"], "value": vector["value"] });
        if vector["key"].is_string() {
            hash["key"] = vector["key"].clone();
        }
        lines.push(json!({ "name": "Ada", "email": fresh_email(), "email_verified": true, "password_hash": hash }));
    }
    let results = operator.import(&lines).await;
    let before = operator.export().await;
    for ((line, vector), result) in lines.iter().zip(vectors["hashes"].as_array().unwrap()).zip(results) {
        let (email, password) = (line["email"].as_str().unwrap(), vector["password"].as_str().unwrap());
        assert_eq!(before[email]["password_hash"], line["password_hash"], "it goes out as it came in");
        operator.client.log_in(email, "wrong password").await.expect_problem(401, "invalid_credentials");
        let session = SignedIn::from_session(&operator.client.log_in(email, password).await.expect(200));
        assert_eq!((&session.user["id"], &session.user["email_verified"]), (&result["id"], &json!(true)), "{vector}");
    }
    let after = operator.export().await;
    for (line, vector) in lines.iter().zip(vectors["hashes"].as_array().unwrap()) {
        let (email, password) = (line["email"].as_str().unwrap(), vector["password"].as_str().unwrap());
        let hash = &after[email]["password_hash"];
        assert_eq!(hash["kind"], "argon2");
        assert!(hash["value"].as_str().unwrap().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        operator.client.log_in(email, password).await.expect(200);
    }
}

#[tokio::test]
async fn a_line_fails_alone_and_the_same_line_again_changes_nothing() {
    let operator = Operator::open().await;
    let (phone, email, id) = (fresh_phone(), fresh_email(), format!("legacy-{}", &fresh_phone()[1..]));
    let good = json!({ "id": id, "name": "Ada", "email": email, "phone": phone, "phone_verified": true });
    let lines = [
        good.clone(),
        json!({ "name": "Ada", "email": "no address" }),
        json!({ "name": "Eve", "email": email }),
        json!({ "name": "Eve", "email": fresh_email(), "phone": phone, "phone_verified": true }),
        json!({ "id": id, "name": "Eve", "email": fresh_email() }),
        json!({ "name": "Eve", "email": fresh_email(), "role": "admin" }),
        json!({ "name": "Eve", "email": fresh_email(), "password_hash": { "kind": "bcrypt", "value": "$2b$31$x" } }),
    ];
    // One after the other: at once, any of those that contradict each other could be first.
    let mut results = Vec::new();
    for line in &lines {
        results.extend(operator.import(std::slice::from_ref(line)).await);
    }
    let codes: Vec<&str> = results.iter().map(|result| result["code"].as_str().unwrap_or("imported")).collect();
    assert_eq!(
        codes,
        [
            "imported",
            "invalid_email",
            "email_taken",
            "phone_taken",
            "id_taken",
            "invalid_json",
            "invalid_password_hash"
        ]
    );
    assert_eq!(results[0]["id"], id);
    let again = operator.import(&[good.clone(), good]).await;
    assert_eq!(again, [json!({ "line": 1, "id": id }), json!({ "line": 2, "id": id })]);

    let challenge = operator.client.start("/login/phone", &phone).await.expect(202);
    let session = operator.client.verify(&challenge, &operator.client.code(&phone).await).await.expect(200);
    assert_eq!((&session["user"]["id"], &session["user"]["two_step"]), (&json!(id), &json!(true)));
}

#[tokio::test]
async fn the_same_lines_imported_at_once_make_one_account_each() {
    let operator = Operator::open().await;
    let lines: Vec<Value> = (0..20).map(|_| json!({ "name": "Ada", "email": fresh_email() })).collect();
    let (one, other) = tokio::join!(operator.import(&lines), operator.import(&lines));
    assert_eq!(one, other);
    assert!(one.iter().all(|result| result["id"].is_string()), "{one:?}");
}

#[tokio::test]
async fn hostile_bodies_lose_nothing_and_stop_nothing() {
    let operator = Operator::open().await;
    let email = fresh_email();
    let mut body = b"\xef\xbb\xbf{\"name\":\"Jos\xe9\",\"email\":\"a@b.example\"}\r\n\r\n".to_vec();
    body.extend(
        format!("{{\"name\":\"A\",\"email\":\"a@b.example\",\"password_hash\":{}\n", "[".repeat(20_000)).bytes(),
    );
    body.extend(format!("{}\r\n", json!({ "name": "Ada", "email": email })).bytes());
    body.extend(b"\0\0\0\n");
    let results = operator.import_as(NDJSON, body).await.expect(200);
    let results: Vec<_> = results["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| (&result["line"], result["code"].as_str()))
        .collect();
    let invalid = Some("invalid_json");
    assert_eq!(results, [(&json!(1), invalid), (&json!(3), invalid), (&json!(4), None), (&json!(5), invalid)]);

    operator.import_as(NDJSON, "").await.expect_problem(400, "invalid_request");
    operator.import_as(NDJSON, "{}\n".repeat(201)).await.expect_problem(400, "invalid_request");
    operator.import_as(NDJSON, "x".repeat(1024 * 1024 + 1)).await.expect_problem(400, "invalid_request");
    operator.import_as("application/json", "{}").await.expect_problem(415, "unsupported_media_type");
    operator.import_as("text/plain", "{}").await.expect_problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn what_goes_out_can_come_in_elsewhere() {
    let operator = Operator::open().await;
    let phone = fresh_phone();
    let (email, _) = operator.client.register_two_step(&phone, PASSWORD).await;
    let disabled = operator.client.register_password(&fresh_email(), PASSWORD).await;
    let path = format!("/admin/users/{}/disable", disabled.user["id"].as_str().unwrap());
    operator.client.send(Method::POST, &path, Some(&operator.key), None).await.expect(204);
    let exported = operator.export().await;
    assert!(!exported.contains_key(disabled.user["email"].as_str().unwrap()), "an import would turn it on");
    let line = &exported[&email];

    let elsewhere = Stack::start(&[("CONCURRENCY", "1")]).await;
    let there = Operator { client: elsewhere.client(), key: elsewhere.admin_key().await };
    let results = there.import(std::slice::from_ref(line)).await;
    assert_eq!(results, [json!({ "line": 1, "id": line["id"] })]);
    assert_eq!(&there.export().await[&email], line);
    let session = there.client.log_in_two_step(&email, PASSWORD, &phone).await;
    assert_eq!(session.user["id"], line["id"]);
}
