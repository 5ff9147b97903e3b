//! Nobody learns from a sign-in whether a number has an account.

use serde_json::{Value, json};
use twostep_tests::{Answer, Client, Stack, fresh_phone};

/// Everything that a stranger sees, with what must differ (ids, times to the second) masked.
fn seen(answer: &Answer) -> Value {
    let mut body = answer.body.clone();
    for part in ["challenge_id", "expires_at", "resend_at", "phone_hint", "retry_after"] {
        if let Some(value) = body.get_mut(part) {
            *value = json!(value.to_string().len());
        }
    }
    let headers = answer.headers.iter().filter(|(name, _)| name != "date" && name != "retry-after");
    json!({"status": answer.status, "headers": headers.collect::<Vec<_>>(), "body": body})
}

/// A sign-in from the start to the lock.
async fn sequence(client: &Client, phone: &str) -> Vec<Value> {
    let mut answers = vec![client.start("/login/phone", phone).await];
    let challenge = answers[0].body.clone();
    answers.push(client.start("/login/phone", phone).await);
    answers.push(client.challenge(&challenge).await);
    answers.push(client.resend(&challenge).await);
    for _ in 0..7 {
        // Six zeros are right once in a million runs.
        answers.push(client.verify(&challenge, "000000").await);
    }
    answers.push(client.start("/login/phone", phone).await);
    answers.push(client.challenge(&challenge).await);
    answers.iter().map(seen).collect()
}

#[tokio::test]
async fn known_and_unknown_numbers_are_answered_alike_up_to_the_lock() {
    let client = Stack::shared().await.client();
    for _ in 0..5 {
        let (known, unknown) = (fresh_phone(), fresh_phone());
        client.register(&known).await;
        assert_eq!(sequence(&client, &known).await, sequence(&client, &unknown).await);
        assert_eq!(client.inbox(&unknown).await.len(), 0, "a number without an account gets no message");
    }
}

#[tokio::test]
async fn registering_looks_the_same_for_a_number_that_has_an_account() {
    let client = Stack::shared().await.client();
    let (known, unknown) = (fresh_phone(), fresh_phone());
    client.register(&known).await;
    // The known one's challenge was used a moment ago; this is a new one for both.
    let (one, other) = (client.start("/register/phone", &known).await, client.start("/register/phone", &unknown).await);
    assert_eq!(seen(&one), seen(&other));
}
