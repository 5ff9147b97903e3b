//! More registrations than a laptop can handle: every request gets a response, and every promised message arrives.
//! `make load` runs a larger version.

use twostep_tests::{Stack, load};

#[tokio::test]
async fn under_load_every_request_is_answered_and_every_promised_message_comes() {
    let stack = Stack::start(&[("LOG_LEVEL", "warn")]).await;
    let steady = load::steady(&stack, 300, 60).await;
    let burst = load::burst(&stack, 200).await;
    for figures in [&steady, &burst] {
        assert_eq!(figures.undocumented(), [0; 0], "{figures}");
        assert!(figures.promised > 0, "{figures}");
    }
    let promised = steady.promised + burst.promised;
    assert_eq!(load::arrived(&stack, promised).await, promised);
}
