//! The admin's settings. Each test has its own stack, because settings apply to all users.

use reqwest::Method;
use serde_json::{Value, json};
use twostep_tests::{
    Answer, Client, PASSWORD, SignedIn, Stack, claims, eventually, fresh_email, fresh_phone,
    relying_party::RelyingParty,
};

struct Admin {
    client: Client,
    key: String,
}

impl Admin {
    async fn of(stack: &Stack) -> Self {
        Self { client: stack.client(), key: stack.admin_key().await }
    }

    async fn get(&self) -> Value {
        self.client.send(Method::GET, "/settings", Some(&self.key), None).await.expect(200)
    }

    async fn put(&self, body: Value) -> Answer {
        self.client.send(Method::PUT, "/settings", Some(&self.key), Some(body.to_string())).await
    }

    async fn test_sms(&self, phone: &str) -> Answer {
        let body = json!({"phone": phone}).to_string();
        self.client.send(Method::POST, "/settings/test-sms", Some(&self.key), Some(body)).await
    }
}

#[tokio::test]
async fn only_an_admin_reads_and_changes_the_settings() {
    let stack = Stack::start(&[("CONCURRENCY", "1"), ("LOG_LEVEL", "trace")]).await;
    let admin = Admin::of(&stack).await;
    let client = &admin.client;
    for key in [None, Some(""), Some("wrong"), Some(&admin.key[1..])] {
        let answer = client.send(Method::GET, "/settings", key, None).await;
        answer.expect_problem(401, "invalid_admin_key");
        client.send(Method::PUT, "/settings", key, Some("{}".into())).await.expect_problem(401, "invalid_admin_key");
    }
    let first = admin.get().await;
    assert_eq!((&first["two_step_enabled"], &first["allowed_countries"]), (&json!(true), &json!(["*"])));
    assert_eq!(first["clickatell"]["configured"], true);

    for (field, body) in [
        ("site_name", json!({"site_name": "Evil\nsite"})),
        ("site_name", json!({"site_name": ".."})),
        ("site_host", json!({"site_host": "https://x/shop"})),
        ("allowed_countries", json!({"allowed_countries": ["usa"]})),
        ("allowed_countries", json!({"allowed_countries": []})),
        ("clickatell.api", json!({"clickatell": {"api": "soap"}})),
        ("clickatell.from", json!({"clickatell": {"from": "ACME & Sons"}})),
        ("clickatell.api_key", json!({"clickatell": {"api_key": " "}})),
        ("allowed_countries", json!({"allowed_countries": ["ZZ"]})),
        ("budgets", json!({"budgets": {"all": {"hour": {"messages": -1}, "day": {}, "month": {}}}})),
        ("budgets", json!({"budgets": {"countries": {"Spain": {"hour": {}, "day": {}, "month": {}}}}})),
        ("budgets", json!({"budgets": 7})),
        ("prices", json!({"prices": {"default": "5 cents"}})),
        ("prices", json!({"prices": {"countries": {"es": 1}}})),
        ("limits", json!({"limits": {"prefix_hour": 0}})),
        ("breaker", json!({"breaker": {"mode": "sometimes"}})),
        ("theme.accent", json!({"theme": {"accent": "#ffff00"}})),
        ("theme.logo_url", json!({"theme": {"logo_url": "http://cdn.example/logo.svg"}})),
        ("theme.radius", json!({"theme": {"radius": "12"}})),
        ("theme", json!({"theme": {"font": "serif"}})),
        ("links.terms", json!({"links": {"terms": "javascript:alert(1)"}})),
    ] {
        let answer = admin.put(body).await;
        answer.expect_problem(400, "invalid_setting");
        assert_eq!(answer.body["field"], field);
    }
    admin.put(json!({"unknown": 1})).await.expect_problem(400, "invalid_request");
    admin.put(json!({"two_step_enabled": "yes"})).await.expect_problem(400, "invalid_request");
    assert_eq!(admin.get().await, first, "rejected changes must change nothing");

    let changed = admin
        .put(json!({"site_name": " Acmé ", "site_host": "https://Acme.example/", "allowed_countries": ["ES", "US"]}))
        .await
        .expect(200);
    assert_eq!((&changed["site_name"], &changed["site_host"]), (&json!("Acmé"), &json!("acme.example")));
    assert_eq!(changed["allowed_countries"], json!(["ES", "US"]));
    assert_eq!(changed["two_step_enabled"], true, "absent fields must stay unchanged");
    assert_eq!(admin.get().await, changed);
    let phone = fresh_phone();
    client.start("/register/phone", &phone).await.expect(202);
    eventually("a message with the new name", async || {
        let message = client.inbox(&phone).await.pop()?;
        message["content"].as_str()?.starts_with("Acmé: your code is ").then_some(())
    })
    .await;
    client.start("/register/phone", "+447911123456").await.expect_problem(400, "phone_not_allowed");

    let log = stack.log();
    let line = log.lines().find(|line| line.contains("settings_changed")).expect("a line");
    assert!(line.contains("site_name,site_host,allowed_countries") && !line.contains("Acm"), "{line}");
    let trail = client.send(Method::GET, "/admin/activity", Some(&admin.key), None).await.expect(200);
    let entry = &trail["items"][0];
    assert_eq!(entry["action"], "settings_changed");
    assert_eq!(entry["about"], json!(["site_name", "site_host", "allowed_countries"]));
    assert_eq!(
        entry["operator"],
        json!({ "kind": "admin_key", "hint": format!("…{}", &admin.key[admin.key.len() - 4..]) })
    );
    assert!(
        !log.lines().filter(|line| line.starts_with('{')).any(|line| line.contains(&admin.key)),
        "the key must not be logged"
    );
}

#[tokio::test]
async fn an_admin_limits_costs_and_sees_the_usage() {
    let stack = Stack::start(&[("CONCURRENCY", "1")]).await;
    let admin = Admin::of(&stack).await;
    let client = &admin.client;
    let usage = async || client.send(Method::GET, "/settings/usage", Some(&admin.key), None).await.expect(200);
    let refused = client.send(Method::GET, "/settings/usage", Some("wrong"), None).await;
    refused.expect_problem(401, "invalid_admin_key");
    let empty = usage().await;
    assert_eq!((&empty["days"], &empty["total"]["sent"]), (&json!([]), &json!(0)));
    assert_eq!((&empty["breaker"]["step"], &empty["breaker"]["mode"]), (&json!("normal"), &json!("enforce")));

    let prices = json!({"currency": "EUR", "default": 70_000, "countries": {"US": 8_000}});
    let hour = json!({"messages": 500, "spend": 9_000_000});
    let changed = admin
        .put(json!({"prices": prices, "budgets": {"all": {"hour": hour, "day": {}, "month": {}}}, "limits": {"number_day": 3}}))
        .await
        .expect(200);
    assert_eq!((&changed["prices"], &changed["budgets"]["all"]["hour"]), (&prices, &hour));
    assert_eq!(
        changed["limits"],
        json!({"address_hour": 60, "address_day": 300, "prefix_hour": 20, "number_day": 3, "client_hour": 1000})
    );
    assert_eq!(admin.get().await, changed);
    let twice = r#"{"prices":{"default":1,"default":2}}"#.to_owned();
    let twice = client.send(Method::PUT, "/settings", Some(&admin.key), Some(twice)).await;
    twice.expect_problem(400, "invalid_request");

    let phone = fresh_phone();
    client.register(&phone).await;
    let refused = fresh_phone();
    client.set_fault(json!({"mode": "opted_out", "to": refused})).await;
    let challenge = client.start("/register/phone", &refused).await.expect(202);
    client.delivery_becomes(&challenge, "failed").await;
    assert_eq!(client.challenge(&challenge).await.expect(200)["failure"], "number_refused");
    client.set_fault(json!({"mode": "none"})).await;
    client.start("/register/phone", "+447400123456").await.expect(202);
    // Three functions count messages, delivery reports and codes.
    let told = eventually("the whole count", async || {
        let told = usage().await;
        (told["total"]["delivered"] == 2).then_some(told)
    })
    .await;
    let of = |country: &str| {
        let days = told["days"].as_array().unwrap().iter().filter(|day| day["country"] == country);
        let day: Vec<Value> = days.cloned().collect();
        assert_eq!(day.len(), 1, "{told}");
        day[0].clone()
    };
    let (us, gb) = (of("US"), of("GB"));
    for (figure, value) in
        [("sent", 1), ("delivered", 1), ("verified", 1), ("sign_ins", 1), ("spent", 8_000), ("cost_per_sign_in", 8_000)]
    {
        assert_eq!(us[figure], value, "{figure}: {us}");
    }
    assert_eq!(us["failed"], json!({"number_refused": 1}));
    assert_eq!((&gb["spent"], &gb["sign_ins"], &gb["cost_per_sign_in"]), (&json!(70_000), &json!(0), &Value::Null));
    assert_eq!((&told["currency"], &told["total"]["spent"]), (&json!("EUR"), &json!(78_000)));
    assert_eq!(told["total"]["cost_per_sign_in"], 78_000, "includes the cost of failed sign-ins");
}

#[tokio::test]
async fn a_clickatell_key_is_tested_before_it_is_stored_and_a_rejected_one_changes_nothing() {
    let stack = Stack::start(&[("CONCURRENCY", "1")]).await;
    let admin = Admin::of(&stack).await;
    let client = &admin.client;
    let before = admin.get().await;
    client.set_fault(json!({"mode": "bad_key", "key": "a-bad-key-0000"})).await;
    admin
        .put(json!({"clickatell": {"api_key": "a-bad-key-0000"}}))
        .await
        .expect_problem(422, "clickatell_key_rejected");
    client.set_fault(json!({"mode": "unavailable_503"})).await;
    admin
        .put(json!({"clickatell": {"api_key": "a-good-key-4f2a"}}))
        .await
        .expect_problem(503, "temporarily_unavailable");
    client.set_fault(json!({"mode": "none"})).await;
    assert_eq!(admin.get().await, before);

    let after = admin.put(json!({"clickatell": {"api_key": " a-good-key-4f2a ", "api": "one"}})).await.expect(200);
    let clickatell = &after["clickatell"];
    assert_eq!((&clickatell["key_hint"], &clickatell["api"]), (&json!("…4f2a"), &json!("one")));
    assert!(clickatell["updated_at"].is_string() && !after.to_string().contains("a-good-key"));

    let phone = fresh_phone();
    let tested = admin.test_sms(&phone).await.expect(200);
    assert_eq!(tested["delivery"], "sent");
    let message = &client.inbox(&phone).await[0];
    assert_eq!((&message["api_message_id"], &message["api"]), (&tested["message_id"], &json!("one")));
    for (fault, outcome) in [("none", "delivered"), ("delivery_failed", "failed")] {
        // The same status code has another meaning in this API.
        let phone = fresh_phone();
        client.set_fault(json!({"mode": fault, "to": phone})).await;
        let challenge = client.start("/register/phone", &phone).await.expect(202);
        client.delivery_becomes(&challenge, outcome).await;
        assert_eq!(client.inbox(&phone).await[0]["api"], "one");
    }
    client.set_fault(json!({"mode": "invalid_destination", "count": 1})).await;
    let failed = admin.test_sms(&phone).await;
    failed.expect_problem(422, "sms_failed");
    assert!(failed.body["detail"].as_str().unwrap().contains("25"), "{}", failed.body);
    admin.test_sms("nonsense").await.expect_problem(400, "invalid_phone");
}

#[tokio::test]
async fn a_rejected_key_is_replaced_by_a_newer_or_the_previous_one() {
    let stack = Stack::start(&[("CONCURRENCY", "1")]).await;
    let admin = Admin::of(&stack).await;
    let client = &admin.client;
    let register = async || {
        let phone = fresh_phone();
        let challenge = client.start("/register/phone", &phone).await.expect(202);
        client.delivery_becomes(&challenge, "delivered").await;
    };
    // send-sms has cached the first key.
    register().await;
    admin.put(json!({"clickatell": {"api_key": "second-key-0002"}})).await.expect(200);
    client.set_fault(json!({"mode": "bad_key", "key": twostep_local::clickatell::API_KEY})).await;
    register().await;
    // The new key is rejected, and the previous one still works.
    client.set_fault(json!({"mode": "bad_key", "key": "second-key-0002"})).await;
    register().await;
    client.set_fault(json!({"mode": "bad_key"})).await;
    let challenge = client.start("/register/phone", &fresh_phone()).await.expect(202);
    client.delivery_becomes(&challenge, "failed").await;
}

#[tokio::test]
async fn the_look_of_the_pages_changes_by_field() {
    let stack = Stack::start(&[]).await;
    let admin = Admin::of(&stack).await;
    let site = async || {
        stack.advance(31);
        admin.client.get("/site").await.expect(200)
    };
    let first = site().await;
    assert_eq!((&first["theme"], &first["links"]), (&json!({}), &json!({})));
    let links = json!({"privacy": "https://example.com/privacy", "help": "https://example.com/help"});
    let theme = json!({"logo_url": "https://cdn.example/logo.svg", "accent": "#0F6D64", "radius": "8"});
    let changed = admin.put(json!({"theme": theme, "links": links})).await.expect(200);
    let theme = json!({"logo_url": "https://cdn.example/logo.svg", "accent": "#0f6d64", "radius": "8"});
    assert_eq!((&changed["theme"], &changed["links"]), (&theme, &links));
    let second = site().await;
    assert_eq!((&second["theme"], &second["links"]), (&theme, &links));
    admin.put(json!({"theme": {"logo_url": "", "radius": null}, "links": {"help": ""}})).await.expect(200);
    let third = site().await;
    assert_eq!(third["theme"], json!({"accent": "#0f6d64"}));
    assert_eq!(third["links"], json!({"privacy": "https://example.com/privacy"}));
}

#[tokio::test]
async fn turning_two_step_on_reaches_running_functions_within_thirty_seconds() {
    let stack = Stack::start(&[]).await;
    let admin = Admin::of(&stack).await;
    let client = &admin.client;
    let phone = fresh_phone();
    let (email, _) = client.register_two_step(&phone, PASSWORD).await;
    admin.put(json!({"two_step_enabled": false})).await.expect(200);
    let single = eventually("a sign-in with one step", async || {
        let answer = client.log_in(&email, PASSWORD).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(claims(&SignedIn::from_session(&single.body).access_token)["amr"], json!(["pwd"]));
    let off = eventually("messages are off", async || {
        let answer = client.start("/register/phone", &fresh_phone()).await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    off.expect_problem(503, "sms_disabled");

    // Instances may have cached "off". After thirty seconds, no instance gives a token for a password alone.
    for _ in 0..8 {
        client.log_in(&email, PASSWORD).await.expect(200);
    }
    admin.put(json!({"two_step_enabled": true})).await.expect(200);
    stack.advance(31);
    for _ in 0..8 {
        client.log_in(&email, PASSWORD).await.expect(202);
    }
    let refresh_token = single.body["refresh_token"].as_str().unwrap();
    client.refresh(refresh_token).await.expect_problem(401, "invalid_refresh_token");
}

#[tokio::test]
async fn the_breaker_refuses_requests_to_a_country_where_nobody_answers_and_opens_when_codes_come_back() {
    // All requests of this test come from one client IP, of which the breaker would weigh one an hour.
    let stack = Stack::start(&[("CONCURRENCY", "1"), ("LIMITS", "deployed"), ("ADDRESS_LIMITS", "off")]).await;
    let admin = Admin::of(&stack).await;
    let client = &admin.client;
    admin.put(json!({"breaker": {"mode": "enforce", "floor": 1, "share_percent": 0}})).await.expect(200);
    let range = |index: usize| format!("+346120{index}0001");
    let server = RelyingParty::register(client, &admin.key, "server").await;
    let own = fresh_phone();
    client.register(&own).await;
    stack.advance(31);

    let unanswered = client.start("/register/phone", &range(1)).await.expect(202);
    client.delivery_becomes(&unanswered, "delivered").await;
    stack.advance(5 * 60);
    let late = client.start("/register/phone", &range(2)).await.expect(202);
    client.delivery_becomes(&late, "delivered").await;
    stack.advance(60);
    let held_back = client.start("/register/phone", &range(3)).await.expect(202);
    client.delivery_becomes(&held_back, "failed").await;
    assert_eq!(client.challenge(&held_back).await.expect(200)["failure"], "held_back");
    let usage = client.send(Method::GET, "/settings/usage", Some(&admin.key), None).await.expect(200);
    let spain = &usage["breaker"]["countries"]["ES"];
    assert_eq!(
        (&spain["step"], &spain["cause"]),
        (&json!("proven_numbers_only"), &json!("unanswered_in_an_hour")),
        "{usage}"
    );
    stack.advance(31);
    client.start("/register/phone", &range(4)).await.expect_problem(503, "sms_budget_spent");
    let earlier = client.inbox(&own).await.len();
    let challenge = client.start("/login/phone", &own).await.expect(202);
    let code = client.nth_code(&own, earlier + 1).await;
    let session = SignedIn::from_session(&client.verify(&challenge, &code).await.expect(200));
    client.set_phone(&session, &range(5)).await.expect_problem(503, "sms_budget_spent");
    let body = json!({"phone": range(6), "end_user_ip": "203.0.113.7"});
    server.call(Method::POST, "/v1/verifications", Some(body)).await.expect_problem(503, "sms_budget_spent");

    let code = client.code(&range(2)).await;
    client.verify(&late, &code).await.expect(200);
    eventually("the end of the trip", async || {
        stack.advance(6);
        let answer = client.start("/register/phone", &range(4)).await;
        (answer.status == 202).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_message_that_is_asked_for_counts_at_the_address() {
    let stack = Stack::start(&[("CONCURRENCY", "1"), ("LIMITS", "deployed")]).await;
    let admin = Admin::of(&stack).await;
    let client = &admin.client;
    let (phone, email) = (fresh_phone(), fresh_email());
    // One message for the phone change; then three more.
    client.register_password(&email, PASSWORD).await;
    let (own, _) = client.register_two_step(&phone, PASSWORD).await;
    admin.put(json!({"limits": {"address_hour": 4}})).await.expect(200);
    stack.advance(61);
    let challenge = client.start("/register/phone", &fresh_phone()).await.expect(202);
    client.start("/register/phone", "+34612000001").await.expect(202);
    stack.advance(61);
    client.resend(&challenge).await.expect(202);
    client.resend(&challenge).await.expect_problem(429, "too_many_codes");
    let begun = client.log_in(&own, PASSWORD).await.expect(202);
    assert_eq!((&begun["delivery"], &begun["failure"]), (&json!("failed"), &json!("too_many_codes")));
    client.start("/login/phone", &fresh_phone()).await.expect_problem(429, "too_many_requests");
    stack.advance(121);
    client.resend(&challenge).await.expect_problem(429, "too_many_requests");
}

#[tokio::test]
async fn a_hook_sends_what_clickatell_does_not_take() {
    let stack = Stack::start(&[("CONCURRENCY", "1")]).await;
    let admin = Admin::of(&stack).await;
    let client = &admin.client;
    let change =
        async |body: Value| client.send(Method::PUT, "/settings", Some(&admin.key), Some(body.to_string())).await;
    for (body, field) in [
        (json!({ "sender": { "order": ["webhook"] } }), "sender.order"),
        (json!({ "sender": { "order": [] } }), "sender.order"),
        (json!({ "sender": { "order": ["clickatell", "clickatell"] } }), "sender.order"),
        (json!({ "sender": { "order": ["pigeon"] } }), "sender.order"),
        (json!({ "sender": { "webhook": { "url": "http://shop.example/sms" } } }), "sender.webhook.url"),
        (json!({ "sender": { "webhook": { "url": "https://169.254.169.254/" } } }), "sender.webhook.url"),
        (json!({ "sender": { "webhook": { "url": "https://user:pass@shop.example/" } } }), "sender.webhook.url"),
    ] {
        let answer = change(body).await;
        assert_eq!(answer.body["field"], field, "{}", answer.body);
        answer.expect_problem(400, "invalid_setting");
    }
    change(json!({ "sender": { "webhook": {} } })).await.expect_problem(400, "invalid_request");

    let hook = client.sandbox_url("/hook");
    let body = json!({ "sender": { "order": ["clickatell", "webhook"], "webhook": { "url": hook } } });
    let changed = change(body).await.expect(200)["sender"].clone();
    assert!(changed["webhook"]["secret"].as_str().unwrap().starts_with("whsec_"));
    let status_url = changed["webhook"]["status_url"].as_str().unwrap().to_owned();
    let shown = admin.get().await["sender"].clone();
    assert_eq!(
        shown,
        json!({ "order": ["clickatell", "webhook"], "webhook": { "url": hook } }),
        "the secret is shown once"
    );

    client.set_fault(json!({ "mode": "no_credit", "channel": "sms" })).await;
    let phone = fresh_phone();
    eventually("a message by the hook", async || {
        let challenge = client.start("/register/phone", &fresh_phone()).await.expect(202);
        client.delivery_settles(&challenge).await;
        let sent = client.all_messages("sms").await;
        sent.iter().any(|sms| sms["api"] == "hook").then_some(())
    })
    .await;
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    client.delivery_becomes(&challenge, "sent").await;
    let sms = client.inbox(&phone).await.remove(0);
    assert_eq!(sms["api"], "hook");
    let report = json!({ "message_id": sms["api_message_id"], "status": "delivered" });
    let reported = twostep_tests::http().post(&status_url).json(&report).send().await.unwrap();
    assert_eq!(reported.status(), 204);
    client.delivery_becomes(&challenge, "delivered").await;
    let forged = twostep_tests::http().post(format!("{status_url}x")).json(&report).send().await.unwrap();
    assert_eq!(forged.status(), 401);

    let usage = client.send(Method::GET, "/settings/usage", Some(&admin.key), None).await.expect(200);
    assert!(usage["senders"]["webhook"]["sent"].as_u64().unwrap() >= 1, "{usage}");
    assert!(usage["senders"]["clickatell"]["refused"].as_u64().unwrap() >= 1, "{usage}");

    let tested = client
        .send(Method::POST, "/settings/test-sms", Some(&admin.key), Some(json!({ "phone": fresh_phone() }).to_string()))
        .await;
    assert_eq!(tested.expect(200)["delivery"], "sent");
    let removed = change(json!({ "sender": { "order": ["clickatell"], "webhook": { "url": "" } } })).await.expect(200);
    assert_eq!(removed["sender"], json!({ "order": ["clickatell"], "webhook": null }));
}

#[tokio::test]
async fn test_numbers_are_set_as_a_whole() {
    let stack = Stack::start(&[("CONCURRENCY", "1")]).await;
    let admin = Admin::of(&stack).await;
    let client = &admin.client;
    let change =
        async |body: Value| client.send(Method::PUT, "/settings", Some(&admin.key), Some(body.to_string())).await;
    let number = |phone: &str, code: &str| json!({ "phone": phone, "code": code });
    for wrong in [
        json!([number("+14155552671", "12345")]),
        json!([number("123", "123456")]),
        json!([number("+14155552671", "123456"), number("+1 415 555 2671", "654321")]),
        json!((0..21).map(|line| number(&format!("+1415555{:04}", 2600 + line), "123456")).collect::<Vec<_>>()),
    ] {
        let answer = change(json!({ "test_numbers": wrong })).await;
        assert_eq!(answer.body["field"], "test_numbers");
        answer.expect_problem(400, "invalid_setting");
    }
    let phone = fresh_phone();
    let set = json!([number(&phone, "424242")]);
    assert_eq!(change(json!({ "test_numbers": set })).await.expect(200)["test_numbers"], set);
    eventually("a fixed code", async || {
        let challenge = client.start("/register/phone", &phone).await.expect(202);
        (client.verify(&challenge, "424242").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(change(json!({ "test_numbers": [] })).await.expect(200)["test_numbers"], json!([]));
}
