//! A registration doesn't reveal whether a number has an account. The attacks test the same for sign-ins.

use twostep_tests::{Stack, fresh_phone};

#[tokio::test]
async fn registering_looks_the_same_for_a_number_with_an_account() {
    let client = Stack::shared().await.client();
    let (known, unknown) = (fresh_phone(), fresh_phone());
    client.register(&known).await;
    // The known number's challenge was just used, so both numbers get a new one.
    let (one, other) = (client.start("/register/phone", &known).await, client.start("/register/phone", &unknown).await);
    assert_eq!(one.visible(), other.visible());
}
