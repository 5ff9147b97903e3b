//! Refresh tokens: they rotate, and reusing an old one revokes the family.

use serde_json::{Value, json};
use tokio::task::JoinSet;
use twostep_tests::{Client, SignedIn, Stack, fresh_phone};

async fn refreshed(client: &Client, token: &str) -> SignedIn {
    SignedIn::from_session(&client.refresh(token).await.expect(200))
}

#[tokio::test]
async fn a_refresh_rotates_the_token_and_an_old_one_ends_the_session() {
    let client = Stack::shared().await.client();
    let first = client.register(&fresh_phone()).await;
    let second = refreshed(&client, &first.refresh_token).await;
    assert_ne!(second.refresh_token, first.refresh_token);
    assert_eq!(second.user, first.user);
    client.profile(&second.access_token).await.expect(200);
    let third = refreshed(&client, &second.refresh_token).await;
    client.refresh(&first.refresh_token).await.expect_problem(401, "invalid_refresh_token");
    client.refresh(&third.refresh_token).await.expect_problem(401, "invalid_refresh_token");
}

#[tokio::test]
async fn twenty_parallel_refreshes_leave_one_pair() {
    let client = Stack::shared().await.client();
    let session = client.register(&fresh_phone()).await;
    let mut uses = JoinSet::new();
    for _ in 0..20 {
        let (client, token) = (client.clone(), session.refresh_token.clone());
        uses.spawn(async move { client.refresh(&token).await.expect(200) });
    }
    // Any of the responses could have been lost. Each successor ends the one before it, and using an ended one ends the family.
    let pairs = uses.join_all().await;
    let mut tokens: Vec<&str> = pairs.iter().map(|pair| pair["refresh_token"].as_str().unwrap()).collect();
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), 20);
    let mut good = 0;
    for token in &tokens {
        good += usize::from(client.refresh(token).await.status == 200);
    }
    assert!(good <= 1, "{good} successors were good");
}

#[tokio::test]
async fn a_refresh_whose_answer_was_lost_can_be_repeated() {
    let client = Stack::shared().await.client();
    let first = client.register(&fresh_phone()).await;
    let lost = refreshed(&client, &first.refresh_token).await;
    let again = refreshed(&client, &first.refresh_token).await;
    assert_ne!(again.refresh_token, lost.refresh_token);
    client.profile(&again.access_token).await.expect(200);
    refreshed(&client, &again.refresh_token).await;
    client.refresh(&first.refresh_token).await.expect_problem(401, "invalid_refresh_token");
}

#[tokio::test]
async fn logging_out_ends_the_session_and_always_succeeds() {
    let client = Stack::shared().await.client();
    let session = client.register(&fresh_phone()).await;
    let log_out = async |token: Value| client.post("/session/logout", json!({"refresh_token": token})).await;
    let answer = log_out(json!(session.refresh_token)).await;
    assert_eq!(answer.expect(204), "");
    client.refresh(&session.refresh_token).await.expect_problem(401, "invalid_refresh_token");
    for token in [json!(session.refresh_token), json!("never given out"), json!("")] {
        assert_eq!(log_out(token).await.status, 204);
    }
    assert_eq!(log_out(json!(7)).await.status, 400, "the token must be a string");
}
