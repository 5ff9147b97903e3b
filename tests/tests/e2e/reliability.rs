//! Every message is sent at most once, and none is lost without a word, whatever fails. `make reliability` runs a larger
//! version.

use twostep_tests::reliability::{Weather, run};

#[tokio::test]
async fn no_message_is_lost_or_sent_twice_while_dependencies_fail() {
    run(220, Weather::Rain).await.check(Weather::Rain);
}

#[tokio::test]
async fn no_message_is_lost_or_sent_twice_while_functions_are_killed() {
    run(80, Weather::Storm).await.check(Weather::Storm);
}
