//! Messages are in the language of the request that creates the code.

use reqwest::Method;
use serde_json::json;
use twostep_tests::{Client, PASSWORD, Stack, eventually, fresh_phone};

async fn start(client: &Client, phone: &str, accept_language: &str) -> serde_json::Value {
    let body = json!({"phone": phone}).to_string();
    let headers = [("accept-language", accept_language)];
    client.send_with(Method::POST, "/register/phone", &headers, Some(body)).await.expect(202)
}

#[tokio::test]
async fn a_message_is_in_the_browser_s_preferred_language() {
    let client = Stack::shared().await.client();
    for (liked, words) in [
        ("es-MX,es;q=0.9,en;q=0.8", "Example: tu clave es "),
        ("tlh,en;q=0.5,es;q=0.4", "Example: your code is "),
        ("fr-CA,en;q=0.5", "Example: votre code est "),
        ("ar", "Example: رمزك هو "),
        ("ja", "Example: 認証コードは"),
    ] {
        let phone = fresh_phone();
        let challenge = start(&client, &phone, liked).await;
        let sms = eventually("the message", async || client.inbox(&phone).await.into_iter().next()).await;
        let text = sms["content"].as_str().unwrap().to_owned();
        assert!(text.starts_with(words), "{liked}: {text}");
        let (_, code) = text.rsplit_once("\n\n@localhost #").expect("the autofill line");
        // A valid code keeps its language.
        assert_eq!(start(&client, &phone, "en").await["challenge_id"], challenge["challenge_id"]);
        client.verify(&challenge, code).await.expect(200);
    }
}

#[tokio::test]
async fn the_notice_to_a_previous_number_is_in_the_language_of_the_request() {
    let client = Stack::shared().await.client();
    let phone = fresh_phone();
    let session = {
        let (email, _) = client.register_two_step(&phone, PASSWORD).await;
        client.log_in_two_step(&email, PASSWORD, &phone).await
    };
    let before = client.inbox(&phone).await.len();
    let bearer = format!("Bearer {}", session.access_token);
    let headers = [("authorization", bearer.as_str()), ("accept-language", "es")];
    client.send_with(Method::DELETE, "/profile/phone", &headers, None).await.expect(204);
    let messages = eventually("the notice", async || {
        let messages = client.inbox(&phone).await;
        (messages.len() > before).then_some(messages)
    })
    .await;
    let text = messages[0]["content"].as_str().unwrap();
    assert!(text.starts_with("Example: este teléfono ya no pertenece a tu cuenta."), "{text}");
}
