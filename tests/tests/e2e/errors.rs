//! Invalid input gets the documented errors and changes nothing.

use reqwest::Method;
use serde_json::{Value, json};
use twostep_tests::{Stack, fresh_email, fresh_phone};

#[tokio::test]
async fn every_route_rejects_undocumented_bodies() {
    let client = Stack::shared().await.client();
    let session = client.register(&fresh_phone()).await;
    let long = format!("{{\"phone\":\"{}\"}}", "1".repeat(17_000));
    let bodies = [
        "",
        "null",
        "[]",
        "7",
        "{",
        "phone=+14155552671",
        "[\"+14155552671\"]",
        "{}",
        "{\"phone\":null}",
        "{\"phone\":14155552671}",
        "{\"phone\":[\"+14155552671\"]}",
        "{\"phone\":\"+14155552671\",\"extra\":1}",
        "{\"phone\":\"+14155552671\",\"phone\":\"+14155552672\"}",
        "{\"phone\":\"+14155552671\"}{}",
        &long,
    ];
    let routes = [
        (Method::POST, "/register/phone"),
        (Method::POST, "/register/complete"),
        (Method::POST, "/login/phone"),
        (Method::POST, "/codes/x/verify"),
        (Method::PUT, "/profile/phone"),
        (Method::POST, "/session/refresh"),
        (Method::POST, "/session/logout"),
    ];
    for (method, path) in routes {
        for body in bodies {
            let answer = client.send(method.clone(), path, Some(&session.access_token), Some(body.to_owned())).await;
            assert_eq!(answer.status, 400, "{path} {body:.60}");
            answer.expect_problem(400, "invalid_request");
        }
    }
    // A PATCH can be empty, but can't have unknown fields.
    for body in ["", "[]", "{\"x\":1}", "{\"name\":7}", "{\"name\":\"a\",\"name\":\"b\"}"] {
        let answer = client.send(Method::PATCH, "/profile", Some(&session.access_token), Some(body.to_owned())).await;
        answer.expect_problem(400, "invalid_request");
    }
}

#[tokio::test]
async fn invalid_and_unsupported_numbers_are_rejected() {
    let client = Stack::shared().await.client();
    let session = client.register(&fresh_phone()).await;
    let plus = "+".repeat(10_000);
    let numbers = [
        (
            "invalid_phone",
            vec![
                "",
                "+",
                "4155552671",
                "+1 (415) 555-2671;ext=99",
                "+１４１５５５５２６７１",
                "+1-800-FLOWERS",
                "tel:+14155552671",
                "+1415\u{200b}5552671",
                "+14155552671.;phone-context=+1",
                "+999123456789",
                &plus,
            ],
        ),
        ("phone_not_allowed", vec!["+442079460958", "+449012345678", "+18005551234", "+881612345678", "+80012345678"]),
    ];
    for (code, numbers) in numbers {
        for number in numbers {
            for path in ["/register/phone", "/login/phone"] {
                let answer = client.start(path, number).await;
                answer.expect_problem(400, code);
                assert_eq!(answer.body["field"], "phone");
            }
            client.set_phone(&session, number).await.expect_problem(400, code);
        }
    }
}

#[tokio::test]
async fn malformed_codes_and_unknown_challenges_are_rejected() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    for code in ["", "12345", "1234567", "12345a", "１２３４５", " 12345", "123 456"] {
        let answer = client.verify(&challenge, code).await;
        answer.expect_problem(400, "invalid_code_format");
        assert_eq!(answer.body["field"], "code");
    }
    let id = challenge["challenge_id"].as_str().unwrap();
    let mut other = id.to_owned();
    other.replace_range(60..61, if &id[60..61] == "A" { "B" } else { "A" });
    for unknown in ["x", "A", &"A".repeat(86), &"A".repeat(5_000), &other, "null"] {
        let unknown = json!({"challenge_id": unknown});
        client.verify(&unknown, "123456").await.expect_problem(404, "unknown_challenge");
        client.resend(&unknown).await.expect_problem(404, "unknown_challenge");
        client.challenge(&unknown).await.expect_problem(404, "unknown_challenge");
    }
    client.verify(&challenge, &client.code(&phone).await).await.expect(200);
}

#[tokio::test]
async fn a_registration_needs_a_verified_number_a_name_and_a_free_email() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let taken = client.register(&fresh_phone()).await.user["email"].clone();
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    let token = client.verify(&challenge, &client.code(&phone).await).await.expect(200)["registration_token"].clone();
    let complete = async |token: &Value, name: &str, email: &Value| {
        client.post("/register/complete", json!({"registration_token": token, "name": name, "email": email})).await
    };
    let email = json!(fresh_email());
    for name in ["", "   ", "a\nb", "a\u{202e}b", &"x".repeat(101)] {
        let answer = complete(&token, name, &email).await;
        answer.expect_problem(400, "invalid_name");
        assert_eq!(answer.body["field"], "name");
    }
    for wrong in ["", "ada", "ada@", "ada@localhost", "ada@example.com.", "ada @example.com", "ädä@example.com"] {
        let answer = complete(&token, "Ada", &json!(wrong)).await;
        answer.expect_problem(400, "invalid_email");
        assert_eq!(answer.body["field"], "email");
    }
    for forged in
        [json!(""), json!("x.y"), challenge["challenge_id"].clone(), json!(format!("{}A", token.as_str().unwrap()))]
    {
        complete(&forged, "Ada", &email).await.expect_problem(401, "invalid_registration_token");
    }
    complete(&token, "Ada", &taken).await.expect_problem(409, "email_taken");
    complete(&token, "Ada", &json!(taken.as_str().unwrap().to_uppercase())).await.expect_problem(409, "email_taken");
    complete(&token, "Ada", &email).await.expect(201);
    for email in [json!(fresh_email()), taken] {
        complete(&token, "Ada", &email).await.expect_problem(401, "invalid_registration_token");
    }
}

#[tokio::test]
async fn only_access_tokens_grant_access() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let session = client.register(&phone).await;
    let challenge = client.start("/login/phone", &phone).await.expect(202);
    let id = challenge["challenge_id"].as_str().unwrap();
    let mut cut = session.access_token.clone();
    cut.truncate(cut.len() - 4);
    for token in ["", "x", "a.b.c", id, &session.refresh_token, &cut] {
        client.profile(token).await.expect_problem(401, "invalid_token");
        let put = client.send(Method::PUT, "/profile/phone", Some(token), Some("{}".into())).await;
        put.expect_problem(401, "invalid_token");
        client.send(Method::DELETE, "/profile/phone", Some(token), None).await.expect_problem(401, "invalid_token");
    }
    let anonymous = client.get("/profile").await;
    anonymous.expect_problem(401, "invalid_token");
    assert_eq!(anonymous.header("www-authenticate"), Some("Bearer"));
    for token in ["", "x", &"A".repeat(64), &session.access_token] {
        client.refresh(token).await.expect_problem(401, "invalid_refresh_token");
    }
}
