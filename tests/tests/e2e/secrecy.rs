//! Logs contain no code, token, key, email address or full phone number, even at `trace`.

use reqwest::Method;
use serde_json::json;
use twostep_tests::{PASSWORD, Stack, fresh_phone, other_than};

#[tokio::test]
async fn a_whole_journey_leaves_no_secret_in_the_logs() {
    let stack = Stack::start(&[("LOG_LEVEL", "trace"), ("CONCURRENCY", "1")]).await;
    let client = stack.client();
    let (phone, second) = (fresh_phone(), fresh_phone());
    let session = client.register(&phone).await;
    let code = client.code(&phone).await;
    let challenge = client.set_phone(&session, &second).await.expect(202);
    let second_code = client.code(&second).await;
    let _ = client.verify(&challenge, other_than(&second_code)).await;
    client.verify(&challenge, &second_code).await.expect(200);
    let refreshed = client.refresh(&session.refresh_token).await.expect(200);
    client.post("/session/logout", json!({"refresh_token": refreshed["refresh_token"]})).await.expect(204);
    let browser = json!({"name": "Grace", "email": "grace@example.com", "password": PASSWORD});
    let headers = [("x-session", "cookie"), ("origin", client.api.as_str())];
    let answer = client.send_with(Method::POST, "/register/password", &headers, Some(browser.to_string())).await;
    let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next()).unwrap().to_owned();
    let headers = [headers[0], headers[1], ("cookie", cookie.as_str())];
    client.send_with(Method::POST, "/session/refresh", &headers, None).await.expect(200);

    let log = stack.log();
    assert!(log.matches("request served").count() >= 7, "the log is too short");
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let secrets = [
        phone.trim_start_matches('+').to_owned(),
        second.trim_start_matches('+').to_owned(),
        format!("#{code}"),
        format!("\"{code}\""),
        format!("code is {code}"),
        format!("\"{second_code}\""),
        session.access_token,
        session.refresh_token,
        text(&refreshed["access_token"]),
        text(&refreshed["refresh_token"]),
        cookie.split_once('=').unwrap().1.to_owned(),
        text(&session.user["email"]),
        "Lovelace".to_owned(),
        text(&challenge["challenge_id"]),
        twostep_local::clickatell::API_KEY.to_owned(),
        twostep_local::settings::CALLBACK_TOKEN.to_owned(),
        "PRIVATE KEY".to_owned(),
    ];
    for secret in secrets {
        assert!(!log.contains(&secret), "the log contains {secret}");
    }
}
