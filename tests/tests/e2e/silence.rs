//! Nobody learns from a registration whether a number has an account. That a sign-in does not tell either is tried among the
//! attacks.

use twostep_tests::{Stack, fresh_phone};

#[tokio::test]
async fn registering_looks_the_same_for_a_number_that_has_an_account() {
    let client = Stack::shared().await.client();
    let (known, unknown) = (fresh_phone(), fresh_phone());
    client.register(&known).await;
    // The known one's challenge was used a moment ago; this is a new one for both.
    let (one, other) = (client.start("/register/phone", &known).await, client.start("/register/phone", &unknown).await);
    assert_eq!(one.visible(), other.visible());
}
